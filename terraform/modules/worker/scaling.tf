# More workers while attempts wait for one, and fewer after a while in which none has waited.

resource "aws_autoscaling_policy" "more" {
  count = local.scales && var.waiting_metric != null ? 1 : 0

  name                      = "${var.name}-worker-more"
  autoscaling_group_name    = aws_autoscaling_group.this.name
  policy_type               = "StepScaling"
  adjustment_type           = "ChangeInCapacity"
  estimated_instance_warmup = 180

  # One more for a few waiting attempts, and two for more than one worker does at the same time.
  step_adjustment {
    scaling_adjustment          = 1
    metric_interval_lower_bound = 0
    metric_interval_upper_bound = var.concurrency
  }

  step_adjustment {
    scaling_adjustment          = 2
    metric_interval_lower_bound = var.concurrency
  }
}

resource "aws_autoscaling_policy" "fewer" {
  count = local.scales && var.waiting_metric != null ? 1 : 0

  name                   = "${var.name}-worker-fewer"
  autoscaling_group_name = aws_autoscaling_group.this.name
  policy_type            = "StepScaling"
  adjustment_type        = "ChangeInCapacity"

  step_adjustment {
    scaling_adjustment          = -1
    metric_interval_upper_bound = 0
  }
}

resource "aws_cloudwatch_metric_alarm" "waiting" {
  count = length(aws_autoscaling_policy.more)

  alarm_name          = "${var.name}-worker-more"
  alarm_description   = "Attempts wait for a worker, so another one starts."
  namespace           = var.waiting_metric.namespace
  metric_name         = var.waiting_metric.name
  dimensions          = var.waiting_metric.dimensions
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = 2
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_autoscaling_policy.more[0].arn]
}

# A worker that ends has 90 seconds for its tasks, so a pause between two runs must not end any.
resource "aws_cloudwatch_metric_alarm" "idle" {
  count = length(aws_autoscaling_policy.fewer)

  alarm_name          = "${var.name}-worker-fewer"
  alarm_description   = "No attempt has waited for a worker for 30 minutes, so one of them ends."
  namespace           = var.waiting_metric.namespace
  metric_name         = var.waiting_metric.name
  dimensions          = var.waiting_metric.dimensions
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 6
  comparison_operator = "LessThanOrEqualToThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_autoscaling_policy.fewer[0].arn]
}
