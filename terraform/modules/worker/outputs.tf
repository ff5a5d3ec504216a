output "autoscaling_group_name" {
  description = "The name of the auto scaling group."
  value       = aws_autoscaling_group.this.name
}

output "security_group_id" {
  description = "The security group of the workers."
  value       = aws_security_group.this.id
}

output "role_arn" {
  description = "The ARN of the workers' role."
  value       = aws_iam_role.this.arn
}
