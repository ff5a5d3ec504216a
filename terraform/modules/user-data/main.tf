locals {
  systemd = "${path.module}/../../../ec2-worker/systemd"
}
