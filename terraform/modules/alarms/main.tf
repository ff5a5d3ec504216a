data "aws_region" "current" {}
data "aws_partition" "current" {}

locals {
  # Each alarm compares one metric with a limit. Together with `missing = "breaching"`, the silence of a part alarms, too.
  alarms = merge(
    {
      dead-letters = {
        description = "Events that the orchestrator could not handle wait in the queue of dead letters. Read one, mend the cause, and redrive the queue."
        namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = var.dead_letters_queue }
        statistic   = "Maximum", period = 300, periods = 1, comparison = "GreaterThanThreshold", threshold = 0, missing = "notBreaching"
      }
      orchestrator-errors = {
        description = "Invocations of the orchestrator fail. Its log says why."
        namespace   = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = var.function_name }
        statistic   = "Sum", period = 300, periods = 1, comparison = "GreaterThanThreshold", threshold = 0, missing = "notBreaching"
      }
      orchestrator-throttles = {
        description = "Lambda puts invocations of the orchestrator off, because too many run at the same time."
        namespace   = "AWS/Lambda", metric = "Throttles", dimensions = { FunctionName = var.function_name }
        statistic   = "Sum", period = 300, periods = 3, comparison = "GreaterThanThreshold", threshold = 0, missing = "notBreaching"
      }
      starts-failed = {
        description = "An error stops a dropped file, a set or a definition. The mail and the function's log say which."
        namespace   = "Downspout", metric = "Failures", dimensions = { function = var.function_name }
        statistic   = "Sum", period = 300, periods = 1, comparison = "GreaterThanThreshold", threshold = 0, missing = "notBreaching"
      }
      sweep-missed = {
        description = "The scheduler starts no sweep. Sets whose event was lost wait until it does."
        namespace   = "AWS/Scheduler", metric = "InvocationAttemptCount", dimensions = { ScheduleGroup = var.schedule_group }
        statistic   = "Sum", period = max(300, 120 * var.sweep_minutes), periods = 2, comparison = "LessThanThreshold", threshold = 1, missing = "breaching"
      }
      no-worker = {
        description = "No worker is in service, so runs wait. Look at the activity of the auto scaling group, and at the log of a machine (journalctl -u ec2-worker)."
        namespace   = "AWS/AutoScaling", metric = "GroupInServiceInstances", dimensions = { AutoScalingGroupName = var.worker_group }
        statistic   = "Maximum", period = 300, periods = 2, comparison = "LessThanThreshold", threshold = 1, missing = "breaching"
      }
    },
    !var.engine ? {} : {
      engine-down = {
        description = "The machine of the engine fails its checks, or is gone."
        namespace   = "AWS/EC2", metric = "StatusCheckFailed", dimensions = { InstanceId = var.engine_instance_id }
        statistic   = "Maximum", period = 300, periods = 2, comparison = "GreaterThanThreshold", threshold = 0, missing = "breaching"
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = each.value.periods
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}

# EC2 moves the machine of the engine to other hardware when its own hardware fails.
resource "aws_cloudwatch_metric_alarm" "recover_engine" {
  count = var.engine ? 1 : 0

  alarm_name          = "${var.name}-engine-hardware"
  alarm_description   = "The hardware under the engine fails. EC2 moves the machine."
  namespace           = "AWS/EC2"
  metric_name         = "StatusCheckFailed_System"
  dimensions          = { InstanceId = var.engine_instance_id }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  alarm_actions       = ["arn:${data.aws_partition.current.partition}:automate:${data.aws_region.current.id}:ec2:recover", var.topic_arn]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      for index, name in sort(keys(local.alarms)) : {
        type   = "metric"
        x      = 8 * (index % 3)
        y      = 6 * floor(index / 3)
        width  = 8
        height = 6
        properties = {
          title   = name
          region  = data.aws_region.current.id
          stat    = local.alarms[name].statistic
          period  = local.alarms[name].period
          metrics = [concat([local.alarms[name].namespace, local.alarms[name].metric], flatten([for key, value in local.alarms[name].dimensions : [key, value]]))]
          annotations = {
            horizontal = [{ label = "alarm", value = local.alarms[name].threshold }]
          }
        }
      }
    ]
  })
}

resource "aws_budgets_budget" "monthly" {
  count = var.monthly_budget_usd == null ? 0 : 1

  name         = "${var.name}-monthly"
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 100
    threshold_type             = "PERCENTAGE"
    notification_type          = "FORECASTED"
    subscriber_email_addresses = var.emails
  }

  lifecycle {
    precondition {
      condition     = length(var.emails) > 0
      error_message = "A budget needs an e-mail address that it can warn."
    }
  }
}
