output "arn" {
  description = "The ARN of the topic."
  value       = aws_sns_topic.this.arn
}
