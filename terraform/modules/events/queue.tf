# S3 -> SQS -> function. A message that fails alone comes again alone, and goes to the dead letters in the end.

resource "aws_sqs_queue" "events" {
  count = local.queue ? 1 : 0

  name                      = "${var.name}-events"
  message_retention_seconds = 4 * 24 * 3600
  kms_master_key_id         = var.kms_key_arn
  # AWS asks for six times the function's time limit, so that no message comes again while it is still at work.
  visibility_timeout_seconds = 6 * var.function.timeout_secs

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.tries
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  count = local.queue ? 1 : 0

  queue_url = aws_sqs_queue.dead_letters.url
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.events[0].arn]
  })
}

data "aws_iam_policy_document" "events" {
  count = local.queue ? 1 : 0

  statement {
    sid       = "TheDropBucketSends"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events[0].arn]
    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [var.drop_bucket.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.events[0].arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "events" {
  count = local.queue ? 1 : 0

  queue_url = aws_sqs_queue.events[0].url
  policy    = data.aws_iam_policy_document.events[0].json
}

data "aws_iam_policy_document" "receive" {
  count = local.queue ? 1 : 0

  statement {
    sid       = "ReceiveEvents"
    actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [aws_sqs_queue.events[0].arn]
  }
}

resource "aws_iam_role_policy" "receive" {
  count = local.queue ? 1 : 0

  name   = "receive-events"
  role   = var.function.role_name
  policy = data.aws_iam_policy_document.receive[0].json
}

resource "aws_lambda_event_source_mapping" "events" {
  count = local.queue ? 1 : 0

  event_source_arn        = aws_sqs_queue.events[0].arn
  function_name           = var.function.alias_arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]

  # Lambda checks the permission when the mapping is made.
  depends_on = [aws_iam_role_policy.receive]
}
