# S3 -> EventBridge -> function. Lambda tries an event three times, and then sends it to the dead letters.

resource "aws_cloudwatch_event_rule" "drops" {
  count = local.bridge ? 1 : 0

  name        = "${var.name}-drops"
  description = "Files dropped in ${var.drop_bucket.name}"
  event_pattern = jsonencode({
    source      = ["aws.s3"]
    detail-type = ["Object Created"]
    detail = merge(
      { bucket = { name = [var.drop_bucket.name] } },
      var.prefix == "" ? {} : { object = { key = [{ prefix = var.prefix }] } },
    )
  })
}

resource "aws_cloudwatch_event_target" "drops" {
  count = local.bridge ? 1 : 0

  rule = aws_cloudwatch_event_rule.drops[0].name
  arn  = var.function.alias_arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

resource "aws_lambda_permission" "drops" {
  count = local.bridge ? 1 : 0

  statement_id  = "drops"
  action        = "lambda:InvokeFunction"
  function_name = var.function.name
  qualifier     = var.function.alias_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.drops[0].arn
}

data "aws_iam_policy_document" "bury" {
  statement {
    sid       = "SendDeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
  }
}

resource "aws_iam_role_policy" "bury" {
  name   = "send-dead-letters"
  role   = var.function.role_name
  policy = data.aws_iam_policy_document.bury.json
}

# Events of EventBridge and of the scheduler invoke the function asynchronously.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name          = var.function.name
  qualifier              = var.function.alias_name
  maximum_retry_attempts = 2

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters.arn
    }
  }

  depends_on = [aws_iam_role_policy.bury]
}
