# moto does not keep descriptions of rules, and does not answer which networks a zone serves.
resource "aws_vpc_security_group_ingress_rule" "clients" {
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_vpc_security_group_egress_rule" "database" {
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_route53_zone" "this" {
  lifecycle {
    ignore_changes = [vpc]
  }
}
