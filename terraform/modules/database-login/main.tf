# The workers read the password here at run time, and people when they have to look something up.
resource "aws_secretsmanager_secret" "this" {
  # checkov:skip=CKV2_AWS_57:A new password must reach the engine, too. docs/aws.md says how to change it with one apply.
  name_prefix             = "${var.name}-database-"
  description             = "How to connect to the PostgreSQL of ${var.name}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
}

# The form in which RDS keeps passwords that it manages itself.
resource "aws_secretsmanager_secret_version" "this" {
  secret_id = aws_secretsmanager_secret.this.id
  secret_string = jsonencode({
    engine   = "postgres"
    host     = var.connection.host
    port     = var.connection.port
    dbname   = var.connection.name
    username = var.connection.username
    password = var.password
  })
}
