# A deployment with every option: a standby of the database, several workers, a budget, and limits of time for all that is kept.

module "downspout" {
  source = "../.."

  name                = "downspout-prod"
  engine              = "downspout"
  notification_emails = var.notification_emails

  network_cidr                      = "10.77.0.0/16"
  engine_instance_type              = "t3.small"
  worker_instance_type              = "t3.medium"
  worker_disk_gib                   = 50
  worker_count                      = { min = 1, max = 4 }
  worker_group                      = "warehouse"
  ec2_resources                     = true
  database_instance_class           = "db.t4g.medium"
  database_storage_gib              = 100
  database_multi_az                 = true
  database_backup_days              = 30
  orchestrator_architecture         = "x86_64"
  orchestrator_reserved_concurrency = 5

  # Calls of the engine are encrypted, with a certificate for engine.downspout-prod.internal.
  engine_tls = var.engine_tls

  database_password        = var.database_password
  engine_secret_access_key = var.engine_secret_access_key

  orchestrator_zip   = "${var.package_folder}/orchestrator.zip"
  worker_program     = "${var.package_folder}/ec2-worker"
  engine_program     = "${var.package_folder}/downspout"
  definitions_folder = "${path.module}/../../../pipeline-definitions"
  definition_values  = { myEnvironment = "production" }
  # A definition may read the password of the database of a partner: "myPasswordSecret": "ssm:/partner/password".
  password_secrets = { parameter_arns = ["arn:aws:ssm:us-east-1:123456789012:parameter/partner/password"] }

  event_route        = "queue"
  sweep_minutes      = 5
  expire_after_days  = { drop = 365, results = 365, logs = 90 }
  log_retention_days = 400
  monthly_budget_usd = 400

  deletion_protection = var.deletion_protection
  wait_for_workers    = var.wait_for_workers
}
