output "function_name" {
  description = "The name of the function."
  value       = aws_lambda_function.this.function_name
}

output "alias" {
  description = "The alias that gets the events: its name and its ARN."
  value       = { name = aws_lambda_alias.live.name, arn = aws_lambda_alias.live.arn }
}

output "role_arn" {
  description = "The ARN of the function's role."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "The name of the function's role."
  value       = aws_iam_role.this.name
}

output "security_group_id" {
  description = "The function's security group, if it is in a network."
  value       = one(aws_security_group.this[*].id)
}

output "timeout_secs" {
  description = "How long one invocation may take."
  value       = var.timeout_secs
}

output "log_group_name" {
  description = "The name of the function's log group."
  value       = aws_cloudwatch_log_group.this.name
}
