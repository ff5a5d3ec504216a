variable "name" {
  description = "The name of the deployment."
  type        = string
}

variable "account_id" {
  description = "The AWS account that owns the pipelines."
  type        = string
}

variable "vpc_id" {
  description = "The network of the engine."
  type        = string
}

variable "subnet_id" {
  description = "A private subnet."
  type        = string
}

variable "domain" {
  description = "The domain of the engine's name in the network: the engine is engine.DOMAIN."
  type        = string
}

variable "instance_type" {
  description = "The size of the machine. It must be of the x86_64 architecture."
  type        = string
  default     = "t2.micro"
}

variable "program" {
  description = "The program `downspout` in the artifacts bucket, as the module artifact describes it."
  type        = object({ name = string, s3_uri = string, arn = string, sha256 = string })
}

variable "database" {
  description = "The PostgreSQL of the engine's store, and its security group."
  type = object({
    host              = string
    port              = number
    name              = string
    username          = string
    security_group_id = string
  })
}

variable "database_password" {
  description = "The password of the database's user."
  type        = string
  sensitive   = true
}

variable "access_key" {
  description = "The access key of the orchestrator and of people, which may do everything."
  type        = object({ id = string, secret = string })
  sensitive   = true
}

variable "worker_key" {
  description = "The access key of the workers, which is good for the work of their groups alone."
  type        = object({ id = string, secret = string })
  sensitive   = true
}

variable "worker_groups" {
  description = "The worker groups for whose work the workers' key is good."
  type        = list(string)

  validation {
    condition     = length(var.worker_groups) > 0
    error_message = "Without a group, the key of the workers would be good for everything."
  }
}

variable "measured_worker_groups" {
  description = "The worker groups whose waiting attempts CloudWatch gets as a metric, so that the workers can scale by it."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for group in var.measured_worker_groups : can(regex("^[A-Za-z0-9._:/-]+$", group))])
    error_message = "A worker group that is measured has letters, digits and the characters . _ : / - alone."
  }
}

variable "tls_certificate" {
  description = "The certificate of the engine's name and of its issuers, in PEM. Null: calls are not encrypted."
  type        = string
  default     = null

  validation {
    condition     = var.tls_certificate == null || try(strcontains(var.tls_certificate, "-----BEGIN CERTIFICATE-----") && !strcontains(var.tls_certificate, "PRIVATE KEY"), false)
    error_message = "Write the certificate in PEM, without its private key."
  }
}

variable "tls_private_key" {
  description = "The private key of the certificate in PEM, which goes into a secret. Null: it is in a secret of yours."
  type        = string
  sensitive   = true
  default     = null
}

variable "tls_key_secret_arn" {
  description = "The ARN of a secret of yours whose text is the private key in PEM. Null: the variable tls_private_key has it."
  type        = string
  default     = null
}

variable "tls_key_kms_key_arn" {
  description = "The key of KMS that encrypts this secret of yours. Null: the key of AWS."
  type        = string
  default     = null
}

variable "client_security_group_ids" {
  description = "The security groups that may call the engine, under names that you choose."
  type        = map(string)
}

variable "https_targets" {
  description = "Where the AWS services are that the engine calls. Each target has one of the three values."
  type = map(object({
    prefix_list_id    = optional(string)
    security_group_id = optional(string)
    cidr_ipv4         = optional(string)
  }))
}

variable "checked_bucket_arns" {
  description = "The buckets in which preconditions may look for keys."
  type        = list(string)
}

variable "machines" {
  description = "The machines that the engine starts for Ec2Resource: the program `ec2-worker`, where they start, how large they are, the buckets that they read and write, the secrets with the passwords of databases, and the certificate in PEM of an authority that they trust besides the public ones. Null: it starts none."
  type = object({
    program           = object({ name = string, s3_uri = string, arn = string, sha256 = string })
    subnet_ids        = list(string)
    security_group_id = string
    instance_type     = string
    disk_gib          = number
    rds_instances     = list(string)
    read_bucket_arns  = list(string)
    write_bucket_arns = list(string)
    password_secrets = object({
      secret_arns    = list(string)
      parameter_arns = list(string)
      kms_key_arns   = list(string)
    })
    authority = optional(string)
  })
  default = null
}

variable "topic_arn" {
  description = "The topic of the notices."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts the topic and the secret."
  type        = string
}

variable "secret_recovery_days" {
  description = "For how many days a deleted secret can be restored: 7 to 30, or 0 for not at all."
  type        = number
  default     = 30
}
