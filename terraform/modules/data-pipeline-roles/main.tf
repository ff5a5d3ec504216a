# The two roles that a definition for AWS Data Pipeline names in its fields `role` and `resourceRole`.

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "assume_service" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["datapipeline.amazonaws.com"]
    }
    # No pipeline of another account can make the service use this role.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "assume_machine" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

# What the service itself does for work in worker groups: notices, preconditions, and the check of the log bucket.
data "aws_iam_policy_document" "service" {
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
    sid       = "CheckBuckets"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = concat(var.read_bucket_arns, var.write_bucket_arns)
  }

  statement {
    sid       = "CheckKeys"
    actions   = ["s3:GetObject"]
    resources = [for arn in concat(var.read_bucket_arns, var.write_bucket_arns) : "${arn}/*"]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["s3:PutObject"]
    resources = [for arn in var.write_bucket_arns : "${arn}/*"]
  }
}

# What a machine of a pipeline may do. Work in worker groups runs on the workers instead, which have a role of their own.
data "aws_iam_policy_document" "machine" {
  statement {
    sid       = "ListBuckets"
    actions   = ["s3:ListBucket"]
    resources = concat(var.read_bucket_arns, var.write_bucket_arns)
  }

  statement {
    sid       = "ReadFiles"
    actions   = ["s3:GetObject"]
    resources = [for arn in concat(var.read_bucket_arns, var.write_bucket_arns) : "${arn}/*"]
  }

  statement {
    sid       = "WriteResultsAndLogs"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = [for arn in var.write_bucket_arns : "${arn}/*"]
  }
}

resource "aws_iam_role" "service" {
  name               = var.role_name
  description        = "What AWS Data Pipeline itself may do"
  assume_role_policy = data.aws_iam_policy_document.assume_service.json
}

resource "aws_iam_role_policy" "service" {
  name   = "pipelines"
  role   = aws_iam_role.service.id
  policy = data.aws_iam_policy_document.service.json
}

resource "aws_iam_role" "machine" {
  name               = var.resource_role_name
  description        = "What machines of pipelines may do"
  assume_role_policy = data.aws_iam_policy_document.assume_machine.json
}

resource "aws_iam_role_policy" "machine" {
  name   = "pipelines"
  role   = aws_iam_role.machine.id
  policy = data.aws_iam_policy_document.machine.json
}

# AWS Data Pipeline looks for an instance profile that has the name of the role.
resource "aws_iam_instance_profile" "machine" {
  name = var.resource_role_name
  role = aws_iam_role.machine.name
}
