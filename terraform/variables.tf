# What every deployment says.

variable "engine" {
  description = "Who runs the pipelines: downspout (the engine of this project, on a machine of its own) or aws-data-pipeline (the service of AWS, which takes no new customers)."
  type        = string
  default     = "downspout"

  validation {
    condition     = contains(["downspout", "aws-data-pipeline"], var.engine)
    error_message = "The engine is downspout or aws-data-pipeline."
  }
}

variable "name" {
  description = "The name of the deployment. The names of everything begin with it."
  type        = string
  default     = "downspout"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "Write 3 to 20 small letters, digits and hyphens, as names of buckets have them. The first is a letter."
  }
}

variable "notification_emails" {
  description = "The addresses that get the mails. Each must confirm the first mail, which SNS sends."
  type        = list(string)
  default     = []
}

variable "database_password" {
  description = "The password of the database's user. Pass it as TF_VAR_database_password."
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{16,64}$", var.database_password))
    error_message = "Write 16 to 64 letters, digits, _ and -, so that the password needs no escaping in URLs. One way: openssl rand -hex 24."
  }
}

variable "password_secrets" {
  description = "What databases of your definitions name by `myPasswordSecret`, besides the database of this deployment: the ARNs of secrets and of parameters, and the ARNs of the keys of KMS that encrypt them, unless the keys are those of AWS."
  type = object({
    secret_arns    = optional(list(string), [])
    parameter_arns = optional(list(string), [])
    kms_key_arns   = optional(list(string), [])
  })
  default = {}

  validation {
    condition     = alltrue([for arn in var.password_secrets.secret_arns : can(regex("^arn:[^:]+:secretsmanager:", arn))])
    error_message = "The ARN of a secret begins like arn:aws:secretsmanager:us-east-1."
  }
  validation {
    condition     = alltrue([for arn in var.password_secrets.parameter_arns : can(regex("^arn:[^:]+:ssm:[^:]+:[^:]+:parameter/", arn))])
    error_message = "The ARN of a parameter is like arn:aws:ssm:us-east-1:123456789012:parameter/name."
  }
  validation {
    condition     = alltrue([for arn in var.password_secrets.kms_key_arns : can(regex("^arn:[^:]+:kms:[^:]+:[^:]+:key/", arn))])
    error_message = "The ARN of a key is like arn:aws:kms:us-east-1:123456789012:key/ID."
  }
}

variable "engine_secret_access_key" {
  description = "The secret with which calls of the engine are signed. Pass it as TF_VAR_engine_secret_access_key. AWS Data Pipeline needs none: null."
  type        = string
  sensitive   = true
  default     = null

  validation {
    condition     = var.engine == "aws-data-pipeline" || can(regex("^[A-Za-z0-9_-]{32,64}$", var.engine_secret_access_key))
    error_message = "The engine needs a secret of 32 to 64 letters, digits, _ and -. One way: openssl rand -hex 24."
  }
}

variable "engine_domain" {
  description = "The domain of the engine's name in its network: the engine is engine.DOMAIN. Null: NAME.internal."
  type        = string
  default     = null
}

variable "engine_tls" {
  description = "TLS of the engine: the certificate of engine.DOMAIN and of its issuers in PEM, the ARN of a secret of yours with its private key in PEM (null: engine_tls_private_key), the key of KMS that encrypts this secret (null: the key of AWS), and the certificate of the issuing authority, unless this is a public one. Null: calls are signed, but not encrypted."
  type = object({
    certificate     = string
    key_secret_arn  = optional(string)
    key_kms_key_arn = optional(string)
    authority       = optional(string)
  })
  default = null
}

variable "engine_tls_private_key" {
  description = "The private key of the engine's certificate in PEM, if it is in no secret of yours. Pass it as TF_VAR_engine_tls_private_key."
  type        = string
  sensitive   = true
  default     = null

  validation {
    condition     = var.engine_tls_private_key == null || (var.engine_tls != null && try(var.engine_tls.key_secret_arn, null) == null)
    error_message = "The private key belongs to the certificate of engine_tls, and is given once: here, or as key_secret_arn."
  }
}

variable "deletion_protection" {
  description = "Whether `terraform destroy` is refused while there is a database, buckets with objects, or secrets."
  type        = bool
  default     = true
}
