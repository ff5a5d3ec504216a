# What the workers may reach. Nothing reaches them.

resource "aws_security_group" "this" {
  name        = "${var.name}-worker"
  description = "The workers"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-worker" }
}

resource "aws_vpc_security_group_egress_rule" "database" {
  description                  = "PostgreSQL"
  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = var.database.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.database.port
  to_port                      = var.database.port
}

resource "aws_vpc_security_group_egress_rule" "pipeline_service" {
  count = local.hosted ? 1 : 0

  description                  = "The engine"
  security_group_id            = aws_security_group.this.id
  referenced_security_group_id = var.pipeline_service.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.pipeline_service.port
  to_port                      = var.pipeline_service.port
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
  name               = "${var.name}-worker"
  description        = "The workers of ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_instance_profile" "this" {
  name = "${var.name}-worker"
  role = aws_iam_role.this.name
}

# Session Manager instead of an open port 22.
resource "aws_iam_role_policy_attachment" "session_manager" {
  role       = aws_iam_role.this.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

data "aws_iam_policy_document" "this" {
  # checkov:skip=CKV_AWS_111:The calls of a task runner know no resources. AWS allows them only for *.
  # checkov:skip=CKV_AWS_356:The calls of a task runner know no resources. AWS allows them only for *.
  statement {
    sid       = "FetchTheProgram"
    actions   = ["s3:GetObject"]
    resources = [var.program.arn]
  }

  statement {
    sid       = "ListBuckets"
    actions   = ["s3:ListBucket"]
    resources = concat(var.read_bucket_arns, var.write_bucket_arns)
  }

  statement {
    sid       = "ReadFilesAndScripts"
    actions   = ["s3:GetObject"]
    resources = [for arn in concat(var.read_bucket_arns, var.write_bucket_arns) : "${arn}/*"]
  }

  statement {
    sid       = "WriteResultsAndLogs"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = [for arn in var.write_bucket_arns : "${arn}/*"]
  }

  dynamic "statement" {
    for_each = aws_secretsmanager_secret.settings
    content {
      sid       = "ReadTheSettings"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value.arn]
    }
  }

  # The passwords of the databases, by reference.
  statement {
    sid       = "ReadPasswords"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = var.password_secrets.secret_arns
  }

  dynamic "statement" {
    for_each = length(var.password_secrets.parameter_arns) > 0 ? [var.password_secrets.parameter_arns] : []
    content {
      sid       = "ReadPasswordParameters"
      actions   = ["ssm:GetParameter"]
      resources = statement.value
    }
  }

  statement {
    sid       = "UseTheKeys"
    actions   = ["kms:Decrypt"]
    resources = distinct(concat([var.kms_key_arn], var.password_secrets.kms_key_arns))
  }

  dynamic "statement" {
    for_each = local.hosted ? [] : ["aws-data-pipeline"]
    content {
      sid = "RunTasks"
      actions = [
        "datapipeline:PollForTask",
        "datapipeline:ReportTaskProgress",
        "datapipeline:ReportTaskRunnerHeartbeat",
        "datapipeline:SetTaskStatus",
      ]
      resources = ["*"]
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "worker"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
