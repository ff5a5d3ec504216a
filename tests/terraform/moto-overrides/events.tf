# moto does not keep who may redrive to a queue, and the provider waits until it reads it back.
resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  count = 0
}

# moto writes spaces into the redrive policy.
resource "aws_sqs_queue" "events" {
  lifecycle {
    ignore_changes = [redrive_policy]
  }
}

# moto answers with the version instead of the alias.
resource "aws_lambda_event_source_mapping" "events" {
  lifecycle {
    ignore_changes = [function_name]
  }
}

# moto does not answer whether a bucket sends its events to EventBridge.
resource "aws_s3_bucket_notification" "this" {
  lifecycle {
    ignore_changes = [eventbridge]
  }
}
