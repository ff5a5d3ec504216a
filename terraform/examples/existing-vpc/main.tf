# A deployment in a network of yours, with a PostgreSQL of yours. Events go through EventBridge, which other rules may use, too.

module "downspout" {
  source = "../.."

  name                = "downspout-team"
  notification_emails = var.notification_emails
  event_route         = "eventbridge"

  existing_network = {
    vpc_id             = var.vpc_id
    private_subnet_ids = var.private_subnet_ids
    https_cidrs        = var.https_cidrs
  }
  existing_database = var.database
  # Definitions may also name the database by the id of its instance.
  rds_instances = ["warehouse=${var.database.host}:${var.database.port}"]

  # Calls of the engine are encrypted, with a certificate of your own authority.
  engine_domain          = "pipelines.example.com"
  engine_tls             = var.engine_tls
  engine_tls_private_key = var.engine_tls_private_key

  database_password        = var.database_password
  engine_secret_access_key = var.engine_secret_access_key

  orchestrator_zip   = "${var.package_folder}/orchestrator.zip"
  worker_program     = "${var.package_folder}/ec2-worker"
  engine_program     = "${var.package_folder}/downspout"
  definitions_folder = "${path.module}/../../../pipeline-definitions"

  deletion_protection = var.deletion_protection
  wait_for_workers    = var.wait_for_workers
}

# Your database must let in the workers and the engine.
resource "aws_vpc_security_group_ingress_rule" "database" {
  for_each = {
    worker = module.downspout.worker.security_group_id
    engine = module.downspout.engine.security_group_id
  }

  description                  = "PostgreSQL from the ${each.key}"
  security_group_id            = var.database.security_group_id
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = var.database.port
  to_port                      = var.database.port
}
