# Who may reach the engine, and what the engine may reach.

resource "aws_security_group" "this" {
  name        = "${var.name}-engine"
  description = "The engine"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-engine" }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each = var.client_security_group_ids

  description                  = "The pipeline service for ${each.key}"
  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_egress_rule" "database" {
  description                  = "PostgreSQL"
  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = var.database.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.database.port
  to_port                      = var.database.port
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = var.https_targets

  description                  = "HTTPS to ${each.key}"
  security_group_id            = aws_security_group.this.id
  prefix_list_id               = each.value.prefix_list_id
  referenced_security_group_id = each.value.security_group_id
  cidr_ipv4                    = each.value.cidr_ipv4
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-engine"
  description        = "The engine of ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_instance_profile" "this" {
  name = "${var.name}-engine"
  role = aws_iam_role.this.name
}

# Session Manager instead of an open port 22.
resource "aws_iam_role_policy_attachment" "session_manager" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

data "aws_partition" "current" {}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "FetchTheProgram"
    actions   = ["s3:GetObject"]
    resources = [var.program.arn]
  }

  statement {
    sid     = "ReadTheSettings"
    actions = ["secretsmanager:GetSecretValue"]
    resources = concat(
      [aws_secretsmanager_secret.settings.arn, aws_secretsmanager_secret.keys.arn],
      local.has_tls ? [local.tls_key.arn] : [],
    )
  }

  statement {
    sid       = "UseTheKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
  }

  dynamic "statement" {
    for_each = var.tls_key_kms_key_arn == null ? [] : [var.tls_key_kms_key_arn]
    content {
      sid       = "DecryptTheKeyOfTheCertificate"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "PublishNotices"
    actions   = ["sns:Publish"]
    resources = [var.topic_arn]
  }

  # S3KeyExists and S3PrefixNotEmpty. HeadObject needs the permission of GetObject.
  statement {
    sid       = "CheckKeys"
    actions   = ["s3:GetObject"]
    resources = [for arn in var.checked_bucket_arns : "${arn}/*"]
  }

  statement {
    sid       = "CheckPrefixes"
    actions   = ["s3:ListBucket"]
    resources = var.checked_bucket_arns
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "engine"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
