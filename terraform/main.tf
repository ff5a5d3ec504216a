# Everything that a deployment of Downspout needs. Each module has one purpose, and a README of its own.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  hosted     = var.engine == "downspout"

  network = var.existing_network == null ? {
    vpc_id        = module.network[0].vpc_id
    subnet_ids    = module.network[0].private_subnet_ids
    https_targets = module.network[0].https_targets
    } : {
    vpc_id     = var.existing_network.vpc_id
    subnet_ids = var.existing_network.private_subnet_ids
    https_targets = {
      for cidr in var.existing_network.https_cidrs : cidr => { cidr_ipv4 = cidr, prefix_list_id = null, security_group_id = null }
    }
  }

  database = var.existing_database == null ? merge(module.database[0].connection, {
    security_group_id = module.database[0].security_group_id
  }) : var.existing_database

  # All calls of the engine are signed with this key. AWS Data Pipeline takes the callers' roles instead.
  access_key = local.hosted ? { id = "downspout", secret = var.engine_secret_access_key } : null
  # The workers' key is good for their group alone. From it, nobody can work out the engine's key.
  worker_key = local.hosted ? { id = "downspout-worker", secret = sha256("worker of ${var.name}: ${var.engine_secret_access_key}") } : null
  # CloudWatch needs to know what waits only if there may be more workers.
  scales = local.hosted && var.worker_count.max > var.worker_count.min
  domain = coalesce(var.engine_domain, "${var.name}.internal")
  pipeline_service = local.hosted ? {
    endpoint          = module.engine[0].endpoint
    port              = module.engine[0].port
    security_group_id = module.engine[0].security_group_id
  } : null

  bucket = { for purpose, name in module.buckets.names : purpose => { name = name, arn = module.buckets.arns[purpose] } }
  # What the workers read at run time, when a database of a definition names it by `myPasswordSecret`.
  password_secrets = {
    secret_arns    = concat([module.database_login.secret_arn], var.password_secrets.secret_arns)
    parameter_arns = var.password_secrets.parameter_arns
    kms_key_arns   = concat([module.encryption_key.arn], var.password_secrets.kms_key_arns)
  }
  # With `terraform destroy`, secrets of a deployment that protects nothing go at once, so that their names are free again.
  secret_recovery_days = var.deletion_protection ? 30 : 0
}

module "encryption_key" {
  source = "./modules/encryption-key"

  name                    = var.name
  deletion_window_in_days = var.deletion_protection ? 30 : 7
}

module "buckets" {
  source = "./modules/buckets"

  name              = var.name
  suffix            = coalesce(var.bucket_suffix, "${local.account_id}-${data.aws_region.current.id}")
  expire_after_days = var.expire_after_days
  force_destroy     = !var.deletion_protection
}

module "topic" {
  source = "./modules/topic"

  name        = "${var.name}-notices"
  account_id  = local.account_id
  emails      = var.notification_emails
  kms_key_arn = module.encryption_key.arn
  publishers = merge(
    { orchestrator = module.orchestrator.role_arn },
    local.hosted ? { engine = module.engine[0].role_arn } : { service = module.data_pipeline_roles[0].service_role_arn },
  )
}

module "network" {
  source = "./modules/network"
  count  = var.existing_network == null ? 1 : 0

  name = var.name
  cidr = var.network_cidr
  # The workers of AWS Data Pipeline reach it, and all other services, through the internet.
  nat_gateway         = !local.hosted
  interface_endpoints = local.hosted ? concat(["sns", "secretsmanager", "ssm", "ssmmessages"], var.ec2_resources ? ["ec2"] : [], local.scales ? ["monitoring"] : []) : []
}

module "database" {
  source = "./modules/database"
  count  = var.existing_database == null ? 1 : 0

  name       = var.name
  vpc_id     = local.network.vpc_id
  subnet_ids = local.network.subnet_ids
  client_security_group_ids = merge(
    { worker = module.worker.security_group_id },
    local.hosted ? { engine = module.engine[0].security_group_id } : {},
  )
  password            = var.database_password
  instance_class      = var.database_instance_class
  storage_gib         = var.database_storage_gib
  multi_az            = var.database_multi_az
  backup_days         = var.database_backup_days
  deletion_protection = var.deletion_protection
}

module "database_login" {
  source = "./modules/database-login"

  name                 = var.name
  connection           = { for key in ["host", "port", "name", "username"] : key => local.database[key] }
  password             = var.database_password
  kms_key_arn          = module.encryption_key.arn
  secret_recovery_days = local.secret_recovery_days
}

moved {
  from = module.database[0].aws_secretsmanager_secret.this
  to   = module.database_login.aws_secretsmanager_secret.this
}

moved {
  from = module.database[0].aws_secretsmanager_secret_version.this
  to   = module.database_login.aws_secretsmanager_secret_version.this
}

module "engine_program" {
  source = "./modules/artifact"
  count  = local.hosted ? 1 : 0

  name       = "downspout"
  file       = var.engine_program
  bucket     = local.bucket.artifacts.name
  bucket_arn = local.bucket.artifacts.arn
}

module "engine" {
  source = "./modules/engine"
  count  = local.hosted ? 1 : 0

  name          = var.name
  account_id    = local.account_id
  vpc_id        = local.network.vpc_id
  subnet_id     = local.network.subnet_ids[0]
  domain        = local.domain
  instance_type = var.engine_instance_type
  program       = module.engine_program[0].program
  access_key    = local.access_key
  worker_key    = local.worker_key
  worker_groups = [var.worker_group]

  measured_worker_groups = local.scales ? [var.worker_group] : []
  tls_certificate        = try(var.engine_tls.certificate, null)
  tls_private_key        = var.engine_tls_private_key
  tls_key_secret_arn     = try(var.engine_tls.key_secret_arn, null)
  tls_key_kms_key_arn    = try(var.engine_tls.key_kms_key_arn, null)
  client_security_group_ids = {
    orchestrator = module.orchestrator.security_group_id
    worker       = module.worker.security_group_id
  }
  database            = local.database
  database_password   = var.database_password
  https_targets       = local.network.https_targets
  checked_bucket_arns = [local.bucket.drop.arn, local.bucket.results.arn]
  machines = var.ec2_resources ? {
    program           = module.worker_program.program
    subnet_ids        = local.network.subnet_ids
    security_group_id = module.worker.security_group_id
    instance_type     = var.worker_instance_type
    disk_gib          = var.worker_disk_gib
    rds_instances     = var.rds_instances
    read_bucket_arns  = [local.bucket.drop.arn, local.bucket.definitions.arn]
    write_bucket_arns = [local.bucket.results.arn, local.bucket.logs.arn]
    password_secrets  = local.password_secrets
    authority         = try(var.engine_tls.authority, null)
  } : null
  topic_arn            = module.topic.arn
  kms_key_arn          = module.encryption_key.arn
  secret_recovery_days = local.secret_recovery_days
}

module "data_pipeline_roles" {
  source = "./modules/data-pipeline-roles"
  count  = local.hosted ? 0 : 1

  topic_arn         = module.topic.arn
  kms_key_arn       = module.encryption_key.arn
  read_bucket_arns  = [local.bucket.drop.arn, local.bucket.definitions.arn]
  write_bucket_arns = [local.bucket.results.arn, local.bucket.logs.arn]
}

module "orchestrator" {
  source = "./modules/orchestrator"

  name                 = var.name
  zip_file             = var.orchestrator_image == null ? var.orchestrator_zip : null
  image_uri            = var.orchestrator_image
  architecture         = var.orchestrator_architecture
  reserved_concurrency = var.orchestrator_reserved_concurrency
  drop_bucket          = local.bucket.drop
  definitions_bucket   = local.bucket.definitions
  topic_arn            = module.topic.arn
  kms_key_arn          = module.encryption_key.arn
  log_retention_days   = var.log_retention_days
  pipeline_service     = local.pipeline_service
  access_key           = local.access_key
  authority            = try(var.engine_tls.authority, null)
  pipeline_role_arns   = flatten(module.data_pipeline_roles[*].role_arns)
  network              = local.hosted ? local.network : null
}

module "events" {
  source = "./modules/events"

  name          = var.name
  route         = var.event_route
  sweep_minutes = var.sweep_minutes
  drop_bucket   = local.bucket.drop
  kms_key_arn   = module.encryption_key.arn
  function = {
    name         = module.orchestrator.function_name
    alias_name   = module.orchestrator.alias.name
    alias_arn    = module.orchestrator.alias.arn
    role_name    = module.orchestrator.role_name
    timeout_secs = module.orchestrator.timeout_secs
  }
}

module "worker_program" {
  source = "./modules/artifact"

  name       = "ec2-worker"
  file       = var.worker_program
  bucket     = local.bucket.artifacts.name
  bucket_arn = local.bucket.artifacts.arn
}

module "worker" {
  source = "./modules/worker"

  name                 = var.name
  vpc_id               = local.network.vpc_id
  subnet_ids           = local.network.subnet_ids
  program              = module.worker_program.program
  instance_type        = var.worker_instance_type
  disk_gib             = var.worker_disk_gib
  size                 = var.worker_count
  worker_groups        = [var.worker_group]
  rds_instances        = var.rds_instances
  pipeline_service     = local.pipeline_service
  access_key           = local.worker_key
  authority            = try(var.engine_tls.authority, null)
  waiting_metric       = local.scales ? module.engine[0].waiting_metrics[var.worker_group] : null
  database             = { port = local.database.port, security_group_id = local.database.security_group_id }
  https_targets        = local.network.https_targets
  read_bucket_arns     = [local.bucket.drop.arn, local.bucket.definitions.arn]
  write_bucket_arns    = [local.bucket.results.arn, local.bucket.logs.arn]
  kms_key_arn          = module.encryption_key.arn
  secret_recovery_days = local.secret_recovery_days
  password_secrets     = local.password_secrets
  wait_for_workers     = var.wait_for_workers
}

module "definitions" {
  source = "./modules/definitions"

  bucket = local.bucket.definitions.name
  folder = var.definitions_folder
  values = merge(
    {
      myDropBucket        = local.bucket.drop.name
      myDefinitionsBucket = local.bucket.definitions.name
      myResultsBucket     = local.bucket.results.name
      myLogsBucket        = local.bucket.logs.name
      myNotifyTopicArn    = module.topic.arn
      myDatabaseUrl       = "jdbc:postgresql://${local.database.host}:${local.database.port}/${local.database.name}?sslmode=require"
      myDatabaseUsername  = local.database.username
      myWorkerGroup       = var.worker_group
    },
    var.definition_values,
  )
  database = { secret_arn = module.database_login.secret_arn, password = var.database_password }
}

module "alarms" {
  source = "./modules/alarms"

  name               = var.name
  topic_arn          = module.topic.arn
  emails             = var.notification_emails
  dead_letters_queue = module.events.dead_letters.name
  function_name      = module.orchestrator.function_name
  schedule_group     = module.events.schedule_group
  sweep_minutes      = var.sweep_minutes
  worker_group       = module.worker.autoscaling_group_name
  engine             = local.hosted
  engine_instance_id = local.hosted ? module.engine[0].instance_id : null
  monthly_budget_usd = var.monthly_budget_usd
}
