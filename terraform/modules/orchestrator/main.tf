
locals {
  name   = "${var.name}-orchestrator"
  hosted = var.pipeline_service != null
  zip    = var.image_uri == null

  environment = merge(
    {
      DEFINITIONS_S3_URI  = "s3://${var.definitions_bucket.name}"
      DROP_BUCKET         = var.drop_bucket.name
      LAMBDA_TIMEOUT_SECS = tostring(var.timeout_secs)
      NOTIFY_TOPIC_ARN    = var.topic_arn
    },
    local.hosted ? {
      AWS_ENDPOINT_URL_DATA_PIPELINE = var.pipeline_service.endpoint
      DOWNSPOUT_ACCESS_KEY_ID        = var.access_key.id
      DOWNSPOUT_SECRET_ACCESS_KEY    = var.access_key.secret
    } : {},
    var.authority == null ? {} : { DOWNSPOUT_CA_CERTIFICATE = var.authority },
  )
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${local.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_50:The program sends no traces.
  # checkov:skip=CKV_AWS_115:A new account may have only 10 concurrent executions, and none of them may be reserved. The variable reserved_concurrency reserves some.
  # checkov:skip=CKV_AWS_116:The module events gives every way of events its dead-letter queue.
  # checkov:skip=CKV_AWS_117:The function is in the network of the engine if there is an engine. AWS Data Pipeline is outside of every network.
  # checkov:skip=CKV_AWS_272:The zip is made by `make package` on your own machine. Terraform passes its checksum to Lambda.
  function_name = local.name
  description   = "Starts a run as soon as every file of a set has been dropped"
  role          = aws_iam_role.this.arn
  publish       = true

  package_type     = local.zip ? "Zip" : "Image"
  filename         = local.zip ? var.zip_file : null
  source_code_hash = local.zip ? filebase64sha256(var.zip_file) : null
  handler          = local.zip ? "bootstrap" : null
  runtime          = local.zip ? "provided.al2023" : null
  image_uri        = var.image_uri
  architectures    = [var.architecture]

  memory_size                    = var.memory_mib
  timeout                        = var.timeout_secs
  reserved_concurrent_executions = var.reserved_concurrency
  kms_key_arn                    = var.kms_key_arn

  environment {
    variables = local.environment
  }

  dynamic "vpc_config" {
    for_each = var.network == null ? [] : [var.network]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = [aws_security_group.this[0].id]
    }
  }

  # The first invocation must not come before the function may write its log and use the network.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

# The events go to the alias, so a rollback is one change of the alias.
resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that gets the events"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}
