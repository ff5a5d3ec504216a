data "aws_region" "current" {}
data "aws_partition" "current" {}

locals {
  hosted = var.pipeline_service != null
  scales = var.size.max > var.size.min
  image  = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

resource "aws_secretsmanager_secret" "settings" {
  # checkov:skip=CKV2_AWS_57:The key changes together with that of the engine, in one apply.
  count = local.hosted ? 1 : 0

  name_prefix             = "${var.name}-worker-"
  description             = "Settings of the workers that are secrets"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
}

resource "aws_secretsmanager_secret_version" "settings" {
  count = local.hosted ? 1 : 0

  secret_id = aws_secretsmanager_secret.settings[0].id
  secret_string = join("\n", [
    "DOWNSPOUT_ACCESS_KEY_ID=${var.access_key.id}",
    "DOWNSPOUT_SECRET_ACCESS_KEY=${var.access_key.secret}",
  ])
}

module "user_data" {
  source = "../user-data"

  program = var.program
  unit    = file("${path.module}/../../../ec2-worker/systemd/ec2-worker.service")
  region  = data.aws_region.current.id
  environment = merge(
    {
      AWS_REGION         = data.aws_region.current.id
      WORKER_GROUP       = join(",", var.worker_groups)
      WORKER_CONCURRENCY = tostring(var.concurrency)
    },
    local.hosted ? { AWS_ENDPOINT_URL_DATA_PIPELINE = var.pipeline_service.endpoint } : {},
    length(var.rds_instances) > 0 ? { RDS_INSTANCES = join(",", var.rds_instances) } : {},
  )
  authority = var.authority
  secret = local.hosted ? {
    arn        = aws_secretsmanager_secret.settings[0].arn
    version_id = aws_secretsmanager_secret_version.settings[0].version_id
  } : null
}

resource "aws_launch_template" "this" {
  name        = "${var.name}-worker"
  description = "A worker of ${var.name}"
  # The newest image of Amazon Linux 2023 at the start of a machine.
  image_id               = local.image
  instance_type          = var.instance_type
  update_default_version = true
  user_data              = base64encode(module.user_data.script)
  vpc_security_group_ids = [aws_security_group.this.id]

  iam_instance_profile {
    arn = aws_iam_instance_profile.this.arn
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_gib
      encrypted             = true
      delete_on_termination = true
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${var.name}-worker" }
  }

  tag_specifications {
    resource_type = "volume"
    tags          = { Name = "${var.name}-worker" }
  }
}

resource "aws_autoscaling_group" "this" {
  name                = "${var.name}-worker"
  vpc_zone_identifier = var.subnet_ids
  min_size            = var.size.min
  max_size            = var.size.max
  health_check_type   = "EC2"
  enabled_metrics     = ["GroupInServiceInstances", "GroupDesiredCapacity"]
  # A worker that ends finishes its tasks first.
  default_cooldown          = 300
  wait_for_capacity_timeout = var.wait_for_workers

  launch_template {
    id      = aws_launch_template.this.id
    version = aws_launch_template.this.latest_version
  }

  # A new version of the worker replaces the machines one after another.
  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 50
    }
  }

  tag {
    key                 = "Name"
    value               = "${var.name}-worker"
    propagate_at_launch = true
  }

  depends_on = [aws_iam_role_policy.this, aws_vpc_security_group_egress_rule.https]
}

# AWS Data Pipeline tells nobody how much work waits, so its workers scale by their load.
resource "aws_autoscaling_policy" "cpu" {
  count = local.scales && var.waiting_metric == null ? 1 : 0

  name                   = "${var.name}-worker-cpu"
  autoscaling_group_name = aws_autoscaling_group.this.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = 60
    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}
