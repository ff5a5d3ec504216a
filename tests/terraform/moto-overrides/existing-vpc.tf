# moto loses the description of a rule, so each plan would show a difference.
resource "aws_vpc_security_group_ingress_rule" "database" {
  lifecycle {
    ignore_changes = [description]
  }
}
