# moto loses the description of a rule, so each plan would show a difference.
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
