# What the function may do and reach.

resource "aws_security_group" "this" {
  count = var.network == null ? 0 : 1

  name        = local.name
  description = "The orchestrator"
  vpc_id      = var.network.vpc_id
  tags        = { Name = local.name }
}

resource "aws_vpc_security_group_egress_rule" "pipeline_service" {
  count = local.hosted ? 1 : 0

  description                  = "The pipeline service"
  security_group_id            = aws_security_group.this[0].id
  referenced_security_group_id = var.pipeline_service.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.pipeline_service.port
  to_port                      = var.pipeline_service.port
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = var.network == null ? {} : var.network.https_targets

  description                  = "HTTPS to ${each.key}"
  security_group_id            = aws_security_group.this[0].id
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
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = local.name
  description        = "The orchestrator of ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_iam_policy_document" "this" {
  # checkov:skip=CKV_AWS_111:EC2 allows only the resource * for network interfaces of Lambda functions. Pipelines do not exist yet, so their ARNs are unknown.
  # checkov:skip=CKV_AWS_356:EC2 allows only the resource * for network interfaces of Lambda functions. Pipelines do not exist yet, so their ARNs are unknown.
  statement {
    sid       = "ListBuckets"
    actions   = ["s3:ListBucket"]
    resources = [var.definitions_bucket.arn, var.drop_bucket.arn]
  }

  statement {
    sid       = "ReadDefinitionsAndLedger"
    actions   = ["s3:GetObject"]
    resources = ["${var.definitions_bucket.arn}/*"]
  }

  statement {
    sid       = "WriteTheLedger"
    actions   = ["s3:DeleteObject", "s3:PutObject"]
    resources = [for prefix in var.ledger_prefixes : "${var.definitions_bucket.arn}/${prefix}/*"]
  }

  statement {
    sid       = "PublishNotices"
    actions   = ["sns:Publish"]
    resources = [var.topic_arn]
  }

  statement {
    sid       = "UseTheKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
  }

  statement {
    sid       = "WriteTheLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  dynamic "statement" {
    for_each = var.network == null ? [] : ["vpc"]
    content {
      sid = "UseTheNetwork"
      actions = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
      ]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = local.hosted ? [] : ["aws-data-pipeline"]
    content {
      sid = "RunPipelines"
      actions = [
        "datapipeline:ActivatePipeline",
        "datapipeline:AddTags",
        "datapipeline:CreatePipeline",
        "datapipeline:DeletePipeline",
        "datapipeline:DescribeObjects",
        "datapipeline:DescribePipelines",
        "datapipeline:ListPipelines",
        "datapipeline:PutPipelineDefinition",
        "datapipeline:QueryObjects",
      ]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = local.hosted ? [] : ["aws-data-pipeline"]
    content {
      sid       = "PassTheRolesOfPipelines"
      actions   = ["iam:PassRole"]
      resources = var.pipeline_role_arns
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "orchestrator"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
