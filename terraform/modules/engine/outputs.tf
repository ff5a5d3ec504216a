output "endpoint" {
  description = "The address of the pipeline service, for AWS_ENDPOINT_URL_DATA_PIPELINE."
  value       = "${local.scheme}://${local.host_name}:${local.port}"
}

output "port" {
  description = "The port of the pipeline service."
  value       = local.port
}

output "security_group_id" {
  description = "The security group of the engine."
  value       = aws_security_group.this.id
}

output "waiting_metrics" {
  description = "The metric in CloudWatch of the attempts that wait for a worker, by worker group."
  value = { for group in var.measured_worker_groups : group => merge(local.metric, {
    dimensions = { engine = var.name, workerGroup = group }
  }) }
}

output "instance_id" {
  description = "The id of the machine."
  value       = aws_instance.this.id
}

output "role_arn" {
  description = "The ARN of the engine's role."
  value       = aws_iam_role.this.arn
}

output "machine_role_names" {
  description = "The names of the roles of machines for Ec2Resource: one, or none."
  value       = [for role in aws_iam_role.machine : role.name]
}
