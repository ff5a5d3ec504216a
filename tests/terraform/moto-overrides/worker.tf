# moto does not keep descriptions of rules, and counts the tags of the template itself among those of the machines.
resource "aws_vpc_security_group_egress_rule" "database" {
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_vpc_security_group_egress_rule" "pipeline_service" {
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_launch_template" "this" {
  lifecycle {
    ignore_changes = [tag_specifications]
  }
}

# moto does not answer that the policy is on, and answers with a prediction that nobody asked for.
resource "aws_autoscaling_policy" "cpu" {
  lifecycle {
    ignore_changes = [enabled, predictive_scaling_configuration, target_tracking_configuration]
  }
}

resource "aws_autoscaling_policy" "more" {
  lifecycle {
    ignore_changes = [enabled, predictive_scaling_configuration]
  }
}

resource "aws_autoscaling_policy" "fewer" {
  lifecycle {
    ignore_changes = [enabled, predictive_scaling_configuration]
  }
}
