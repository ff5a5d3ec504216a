output "buckets" {
  description = "The name of each bucket, by purpose: drop, definitions, results, logs, artifacts."
  value       = module.buckets.names
}

output "topic_arn" {
  description = "The topic of the mails."
  value       = module.topic.arn
}

output "endpoint" {
  description = "The address of the engine in its network. Null: AWS Data Pipeline."
  value       = local.hosted ? module.engine[0].endpoint : null
}

output "dead_letters_url" {
  description = "The queue of the events that the orchestrator could not handle."
  value       = module.events.dead_letters.url
}

output "event_queue_url" {
  description = "The queue of the events, if they go through one."
  value       = try(module.events.queue.url, null)
}

output "orchestrator" {
  description = "The function: its name, the name of its log group, and its security group if it is in a network."
  value = {
    function_name     = module.orchestrator.function_name
    log_group_name    = module.orchestrator.log_group_name
    security_group_id = module.orchestrator.security_group_id
  }
}

output "worker" {
  description = "The workers: the names of their auto scaling group, and their security group."
  value = {
    autoscaling_group_name = module.worker.autoscaling_group_name
    security_group_id      = module.worker.security_group_id
  }
}

output "engine" {
  description = "The engine's machine and its security group. Null: AWS Data Pipeline."
  value       = local.hosted ? { instance_id = module.engine[0].instance_id, security_group_id = module.engine[0].security_group_id } : null
}

output "database" {
  description = "Where the database is, and the secret with its user and its password."
  value = {
    host       = local.database.host
    port       = local.database.port
    name       = local.database.name
    username   = local.database.username
    secret_arn = module.database_login.secret_arn
  }
}

output "role_arns" {
  description = "The roles that were made, by part."
  value = merge(
    { orchestrator = module.orchestrator.role_arn, worker = module.worker.role_arn },
    local.hosted ? { engine = module.engine[0].role_arn } : { data_pipeline = module.data_pipeline_roles[0].service_role_arn },
  )
}

output "environment" {
  description = "Lines for a shell that is in the engine's network, as `downspout env` prints them for a local stack."
  value = join("\n", concat(
    ["export AWS_REGION=${data.aws_region.current.id}"],
    local.hosted ? [
      "export AWS_ENDPOINT_URL_DATA_PIPELINE=${module.engine[0].endpoint}",
      "export DOWNSPOUT_ACCESS_KEY_ID=downspout",
    ] : [],
  ))
}

output "next_steps" {
  description = "What to do after the first apply."
  value       = <<-TEXT
    1. Confirm the mails of SNS: ${length(var.notification_emails) == 0 ? "there is no address yet (notification_emails)" : join(", ", var.notification_emails)}.
    2. Drop files: aws s3 cp FILE.csv s3://${module.buckets.names.drop}/incoming/$(date -u +%F)/
    3. Wait for the mail. Results: s3://${module.buckets.names.results}, logs: s3://${module.buckets.names.logs}.
    4. If no mail comes: aws logs tail ${module.orchestrator.log_group_name}
  TEXT
}
