# moto does not keep descriptions of rules.
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
