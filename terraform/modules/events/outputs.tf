output "dead_letters" {
  description = "The queue of the dead letters: its name, its URL and its ARN."
  value = {
    name = aws_sqs_queue.dead_letters.name
    url  = aws_sqs_queue.dead_letters.url
    arn  = aws_sqs_queue.dead_letters.arn
  }
}

output "queue" {
  description = "The queue of the events, if they go through one: its name, its URL and its ARN."
  value       = one([for queue in aws_sqs_queue.events : { name = queue.name, url = queue.url, arn = queue.arn }])
}

output "schedule_group" {
  description = "The group of the sweep's schedule, by which CloudWatch counts sweeps."
  value       = aws_scheduler_schedule_group.this.name
}
