# TLS of the engine: the certificate from a variable, and its private key from a secret.

locals {
  has_tls = var.tls_certificate != null
  # The key is in a secret of yours, or in one that is made here.
  makes_tls_secret = local.has_tls && var.tls_key_secret_arn == null
  tls_key = local.makes_tls_secret ? {
    arn        = one(aws_secretsmanager_secret.tls_key[*].arn)
    version_id = one(aws_secretsmanager_secret_version.tls_key[*].version_id)
    } : {
    arn        = var.tls_key_secret_arn
    version_id = null
  }
}

resource "aws_secretsmanager_secret" "tls_key" {
  # checkov:skip=CKV2_AWS_57:The key changes together with its certificate, in one apply.
  count = local.makes_tls_secret ? 1 : 0

  name_prefix             = "${var.name}-engine-tls-"
  description             = "Private key of the engine's certificate"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
}

resource "aws_secretsmanager_secret_version" "tls_key" {
  count = local.makes_tls_secret ? 1 : 0

  secret_id     = aws_secretsmanager_secret.tls_key[0].id
  secret_string = var.tls_private_key

  lifecycle {
    precondition {
      condition     = try(strcontains(var.tls_private_key, "PRIVATE KEY-----"), false)
      error_message = "The certificate needs its private key in PEM, or the ARN of a secret that has it."
    }
  }
}
