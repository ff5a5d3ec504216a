data "aws_caller_identity" "current" {}

locals {
  queue  = var.route == "queue"
  bridge = var.route == "eventbridge"
}

# Events that the orchestrator could not handle, and sweeps that could not start it.
resource "aws_sqs_queue" "dead_letters" {
  name                       = "${var.name}-dead-letters"
  message_retention_seconds  = 14 * 24 * 3600
  kms_master_key_id          = var.kms_key_arn
  visibility_timeout_seconds = 60
}

data "aws_iam_policy_document" "dead_letters" {
  statement {
    sid       = "EventBridgeSendsWhatItCouldNotDeliver"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
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
    resources = [aws_sqs_queue.dead_letters.arn]
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

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.url
  policy    = data.aws_iam_policy_document.dead_letters.json
}

resource "aws_s3_bucket_notification" "this" {
  bucket      = var.drop_bucket.name
  eventbridge = local.bridge

  dynamic "queue" {
    for_each = aws_sqs_queue.events
    content {
      id            = "downspout"
      queue_arn     = queue.value.arn
      events        = ["s3:ObjectCreated:*"]
      filter_prefix = var.prefix == "" ? null : var.prefix
    }
  }

  # S3 sends a test message at once, and refuses the notification if the queue does not take it.
  depends_on = [aws_sqs_queue_policy.events]
}
