# The smallest deployment: the engine on a t2.micro, one worker, and a small PostgreSQL.

module "downspout" {
  source = "../.."

  notification_emails = var.notification_emails

  engine_instance_type    = "t2.micro"
  worker_instance_type    = "t3.micro"
  worker_count            = { min = 1, max = 1 }
  database_instance_class = "db.t4g.micro"

  database_password        = var.database_password
  engine_secret_access_key = var.engine_secret_access_key

  orchestrator_zip   = "${var.package_folder}/orchestrator.zip"
  worker_program     = "${var.package_folder}/ec2-worker"
  engine_program     = "${var.package_folder}/downspout"
  definitions_folder = "${path.module}/../../../pipeline-definitions"

  deletion_protection = var.deletion_protection
  wait_for_workers    = var.wait_for_workers
}
