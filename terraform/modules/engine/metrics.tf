# The attempts that wait for a worker, as a metric of CloudWatch by which the workers scale.
#
# A timer on the machine reads the engine's own numbers once a minute, and sends one figure for each worker group. This needs no
# agent and no log that AWS would have to filter.

locals {
  metrics = "127.0.0.1:9464"
  metric  = { namespace = "Downspout", name = "WaitingAttempts" }
}

data "aws_iam_policy_document" "metrics" {
  # checkov:skip=CKV_AWS_111:A metric has no ARN. The condition limits the namespace.
  # checkov:skip=CKV_AWS_356:A metric has no ARN. The condition limits the namespace.
  statement {
    sid       = "SendMetrics"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = [local.metric.namespace]
    }
  }
}

resource "aws_iam_role_policy" "metrics" {
  count = length(var.measured_worker_groups) > 0 ? 1 : 0

  name   = "metrics"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.metrics.json
}
