data "aws_region" "current" {}

# The image of Amazon Linux 2023. AWS keeps the newest one's id in this public parameter.
data "aws_ssm_parameter" "image" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

locals {
  port      = 4567
  host_name = "engine.${var.domain}"
  scheme    = local.has_tls ? "https" : "http"
  data_url  = "postgres://${var.database.username}:${var.database_password}@${var.database.host}:${var.database.port}/${var.database.name}?sslmode=require"
}

# The file of access keys: one for the orchestrator and people, and one for the workers, which is good for their groups alone.
resource "aws_secretsmanager_secret" "keys" {
  # checkov:skip=CKV2_AWS_57:The keys change together with those of the clients, in one apply.
  name_prefix             = "${var.name}-engine-keys-"
  description             = "Access keys of the engine's clients"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
}

resource "aws_secretsmanager_secret_version" "keys" {
  secret_id = aws_secretsmanager_secret.keys.id
  secret_string = jsonencode({
    keys = [
      {
        accessKeyId     = var.access_key.id
        secretAccessKey = var.access_key.secret
        accountId       = var.account_id
        comment         = "orchestrator and people"
      },
      {
        accessKeyId     = var.worker_key.id
        secretAccessKey = var.worker_key.secret
        accountId       = var.account_id
        workerGroups    = var.worker_groups
        comment         = "workers"
      },
    ]
  })
}

resource "aws_secretsmanager_secret" "settings" {
  # checkov:skip=CKV2_AWS_57:The keys of the engine change together with those of its clients, in one apply.
  name_prefix             = "${var.name}-engine-"
  description             = "Settings of the engine that are secrets"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_days
}

resource "aws_secretsmanager_secret_version" "settings" {
  secret_id     = aws_secretsmanager_secret.settings.id
  secret_string = "DOWNSPOUT_STORE=${local.data_url}"
}

module "user_data" {
  source = "../user-data"

  program = var.program
  unit    = file("${path.module}/../../../crates/server/systemd/downspout.service")
  region  = data.aws_region.current.id
  environment = merge(
    {
      AWS_REGION           = data.aws_region.current.id
      DOWNSPOUT_ACCOUNT_ID = var.account_id
      DOWNSPOUT_KEYS       = "/etc/downspout/keys.json"
      DOWNSPOUT_LISTEN     = "0.0.0.0:${local.port}"
      ENGINE_HOST_NAME     = local.host_name
    },
    local.has_tls ? {
      DOWNSPOUT_TLS_CERTIFICATE = "/etc/downspout/certificate.pem"
      DOWNSPOUT_TLS_KEY         = "/etc/downspout/key.pem"
    } : {},
    length(var.measured_worker_groups) > 0 ? { DOWNSPOUT_METRICS_LISTEN = local.metrics } : {},
    # An empty setting would count as given.
    { for name, value in merge(values(local.machine_settings)...) : name => value if value != "" },
  )
  secret = {
    arn        = aws_secretsmanager_secret.settings.arn
    version_id = aws_secretsmanager_secret_version.settings.version_id
  }
  files = merge(
    local.has_tls ? { "certificate.pem" = var.tls_certificate } : {},
    { for machines in values(local.machines) : "authority.pem" => machines.authority if machines.authority != null },
  )
  secret_files = merge(
    {
      "keys.json" = {
        arn        = aws_secretsmanager_secret.keys.arn
        version_id = aws_secretsmanager_secret_version.keys.version_id
      }
    },
    local.has_tls ? { "key.pem" = local.tls_key } : {},
  )
  then = length(var.measured_worker_groups) == 0 ? "" : templatefile("${path.module}/metrics.sh.tftpl", {
    address   = local.metrics
    groups    = var.measured_worker_groups
    namespace = local.metric.namespace
    name      = local.metric.name
    engine    = var.name
    region    = data.aws_region.current.id
  })
}

resource "aws_instance" "this" {
  # checkov:skip=CKV_AWS_126:Figures of each minute cost extra. Five minutes are enough for a machine that restarts its service itself.
  # checkov:skip=CKV_AWS_135:The smallest types, such as t2.micro, have no EBS optimization. Larger ones have it always.
  ami                    = data.aws_ssm_parameter.image.insecure_value
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  vpc_security_group_ids = [aws_security_group.this.id]
  iam_instance_profile   = aws_iam_instance_profile.this.name
  user_data              = module.user_data.script
  # The machine keeps nothing, so a new version or a new key gets a new machine.
  user_data_replace_on_change = true

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = 8
    encrypted   = true
  }

  tags        = { Name = "${var.name}-engine" }
  volume_tags = { Name = "${var.name}-engine" }

  lifecycle {
    # A new image appears every few weeks, and must not end the engine in the middle of an unrelated change.
    ignore_changes = [ami]
  }

  depends_on = [aws_iam_role_policy.this, aws_vpc_security_group_egress_rule.https, aws_vpc_security_group_egress_rule.database]
}

# The name stays when the machine is replaced.
resource "aws_route53_zone" "this" {
  # checkov:skip=CKV2_AWS_38:A private zone cannot be signed.
  # checkov:skip=CKV2_AWS_39:A private zone has no query log of its own.
  name          = var.domain
  comment       = "Names of ${var.name} in its own network"
  force_destroy = true

  vpc {
    vpc_id = var.vpc_id
  }
}

resource "aws_route53_record" "this" {
  zone_id = aws_route53_zone.this.zone_id
  name    = local.host_name
  type    = "A"
  ttl     = 30
  records = [aws_instance.this.private_ip]
}
