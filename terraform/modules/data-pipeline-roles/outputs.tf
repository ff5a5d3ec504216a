output "role_arns" {
  description = "The ARNs of the two roles."
  value       = [aws_iam_role.service.arn, aws_iam_role.machine.arn]
}

output "service_role_arn" {
  description = "The ARN of the service's role, which publishes the notices."
  value       = aws_iam_role.service.arn
}
