# EC2 machines for `Ec2Resource`, which the engine starts and ends: its settings, its rights, and the role of the machines.

locals {
  machines = var.machines == null ? {} : { this = var.machines }

  machine_settings = { for key, machines in local.machines : key => {
    DOWNSPOUT_EC2_TAG              = var.name
    DOWNSPOUT_EC2_WORKER           = machines.program.s3_uri
    DOWNSPOUT_EC2_WORKER_SHA256    = machines.program.sha256
    DOWNSPOUT_EC2_INSTANCE_PROFILE = aws_iam_instance_profile.machine[key].name
    DOWNSPOUT_EC2_IMAGE            = terraform_data.machine_image[key].output
    DOWNSPOUT_EC2_INSTANCE_TYPE    = machines.instance_type
    DOWNSPOUT_EC2_DISK_GIB         = tostring(machines.disk_gib)
    DOWNSPOUT_EC2_SUBNETS          = join(",", [for subnet in data.aws_subnet.machines : "${subnet.availability_zone}=${subnet.id}"])
    DOWNSPOUT_EC2_SECURITY_GROUPS  = machines.security_group_id
    DOWNSPOUT_EC2_ENDPOINT         = "${local.scheme}://${local.host_name}:${local.port}"
    DOWNSPOUT_EC2_RDS_INSTANCES    = join(",", machines.rds_instances)
    DOWNSPOUT_EC2_AUTHORITY        = machines.authority == null ? "" : "/etc/downspout/authority.pem"
  } }

  # What a machine is made of. Everything else that RunInstances needs exists before.
  machine_parts = [for part in ["instance", "volume", "spot-instances-request"] : "${local.ec2}:${data.aws_caller_identity.current.account_id}:${part}/*"]
  ec2           = "arn:${data.aws_partition.current.partition}:ec2:${data.aws_region.current.id}"
}

data "aws_caller_identity" "current" {}

data "aws_subnet" "machines" {
  count = var.machines == null ? 0 : length(var.machines.subnet_ids)

  id = var.machines.subnet_ids[count.index]
}

# A new image appears every few weeks, and must not end the engine in the middle of an unrelated change.
resource "terraform_data" "machine_image" {
  for_each = local.machines

  input = data.aws_ssm_parameter.image.insecure_value

  lifecycle {
    ignore_changes = [input]
  }
}

resource "aws_iam_role" "machine" {
  for_each = local.machines

  name               = "${var.name}-machine"
  description        = "The machines of ${var.name} for Ec2Resource"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_instance_profile" "machine" {
  for_each = local.machines

  name = "${var.name}-machine"
  role = aws_iam_role.machine[each.key].name
}

# Session Manager instead of an open port 22.
resource "aws_iam_role_policy_attachment" "machine_session_manager" {
  for_each = local.machines

  role       = aws_iam_role.machine[each.key].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

# A machine does the same work as a worker. It cannot read the engine's key, because commands of definitions run on it.
data "aws_iam_policy_document" "machine" {
  for_each = local.machines

  statement {
    sid       = "FetchTheProgram"
    actions   = ["s3:GetObject"]
    resources = [each.value.program.arn]
  }

  statement {
    sid       = "ListBuckets"
    actions   = ["s3:ListBucket"]
    resources = concat(each.value.read_bucket_arns, each.value.write_bucket_arns)
  }

  statement {
    sid       = "ReadFilesAndScripts"
    actions   = ["s3:GetObject"]
    resources = [for arn in concat(each.value.read_bucket_arns, each.value.write_bucket_arns) : "${arn}/*"]
  }

  statement {
    sid       = "WriteResultsAndLogs"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = [for arn in each.value.write_bucket_arns : "${arn}/*"]
  }

  # The passwords of the databases, by reference.
  statement {
    sid       = "ReadPasswords"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = each.value.password_secrets.secret_arns
  }

  dynamic "statement" {
    for_each = length(each.value.password_secrets.parameter_arns) > 0 ? [each.value.password_secrets.parameter_arns] : []
    content {
      sid       = "ReadPasswordParameters"
      actions   = ["ssm:GetParameter"]
      resources = statement.value
    }
  }

  statement {
    sid       = "UseTheKeys"
    actions   = ["kms:Decrypt"]
    resources = each.value.password_secrets.kms_key_arns
  }
}

resource "aws_iam_role_policy" "machine" {
  for_each = local.machines

  name   = "machine"
  role   = aws_iam_role.machine[each.key].id
  policy = data.aws_iam_policy_document.machine[each.key].json
}

data "aws_iam_policy_document" "machines" {
  for_each = local.machines

  # checkov:skip=CKV_AWS_111:A machine has no ARN before it is started. The tag, the network and the role limit what is started.
  # checkov:skip=CKV_AWS_356:AWS allows ec2:DescribeInstances only for *.
  statement {
    sid       = "StartMachinesWithTheTag"
    actions   = ["ec2:RunInstances"]
    resources = local.machine_parts

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/downspout:engine"
      values   = [var.name]
    }
  }

  statement {
    sid     = "StartThemInThisNetwork"
    actions = ["ec2:RunInstances"]
    resources = [
      "${local.ec2}:${data.aws_caller_identity.current.account_id}:subnet/*",
      "${local.ec2}:${data.aws_caller_identity.current.account_id}:security-group/*",
    ]

    condition {
      test     = "ArnEquals"
      variable = "ec2:Vpc"
      values   = ["${local.ec2}:${data.aws_caller_identity.current.account_id}:vpc/${var.vpc_id}"]
    }
  }

  statement {
    sid     = "StartThemFromImages"
    actions = ["ec2:RunInstances"]
    resources = [
      "${local.ec2}::image/*",
      "${local.ec2}:${data.aws_caller_identity.current.account_id}:key-pair/*",
      "${local.ec2}:${data.aws_caller_identity.current.account_id}:network-interface/*",
    ]
  }

  statement {
    sid       = "TagThemAtTheirStart"
    actions   = ["ec2:CreateTags"]
    resources = local.machine_parts

    condition {
      test     = "StringEquals"
      variable = "ec2:CreateAction"
      values   = ["RunInstances"]
    }
  }

  statement {
    sid       = "EndMachinesWithTheTag"
    actions   = ["ec2:TerminateInstances"]
    resources = ["${local.ec2}:${data.aws_caller_identity.current.account_id}:instance/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/downspout:engine"
      values   = [var.name]
    }
  }

  statement {
    sid       = "SeeMachines"
    actions   = ["ec2:DescribeInstances"]
    resources = ["*"]
  }

  statement {
    sid       = "GiveThemTheirRole"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.machine[each.key].arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "machines" {
  for_each = local.machines

  name   = "machines"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.machines[each.key].json
}
