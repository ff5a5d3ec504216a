# The sweep starts every whole set whose event was lost, and continues what was interrupted.

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "sweep" {
  name                = "${var.name}-sweep"
  group_name          = aws_scheduler_schedule_group.this.name
  description         = "Lets the orchestrator look for sets whose event was lost"
  schedule_expression = var.sweep_minutes == 1 ? "rate(1 minute)" : "rate(${var.sweep_minutes} minutes)"
  kms_key_arn         = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.function.alias_arn
    role_arn = aws_iam_role.sweep.arn
    input    = jsonencode({ sweep = true })

    # The next sweep does the work of one that could not start.
    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 1
    }
  }
}

data "aws_iam_policy_document" "assume_sweep" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "sweep" {
  name               = "${var.name}-sweep"
  description        = "Starts the sweep of ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.assume_sweep.json
}

data "aws_iam_policy_document" "sweep" {
  statement {
    sid       = "StartTheOrchestrator"
    actions   = ["lambda:InvokeFunction"]
    resources = [var.function.alias_arn]
  }

  statement {
    sid       = "ReadTheSchedule"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]
  }
}

resource "aws_iam_role_policy" "sweep" {
  name   = "sweep"
  role   = aws_iam_role.sweep.id
  policy = data.aws_iam_policy_document.sweep.json
}
