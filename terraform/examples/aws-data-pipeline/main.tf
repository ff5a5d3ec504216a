# A deployment for an account that still has AWS Data Pipeline: no engine, but the two roles that pipelines use.

module "downspout" {
  source = "../.."

  name                = "downspout-adp"
  engine              = "aws-data-pipeline"
  notification_emails = var.notification_emails
  database_password   = var.database_password

  orchestrator_zip   = "${var.package_folder}/orchestrator.zip"
  worker_program     = "${var.package_folder}/ec2-worker"
  definitions_folder = "${path.module}/../../../pipeline-definitions"

  deletion_protection = var.deletion_protection
  wait_for_workers    = var.wait_for_workers
}
