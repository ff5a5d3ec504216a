variable "name" {
  description = "The name of the deployment."
  type        = string
}

variable "zip_file" {
  description = "The path of the function's zip, which has the program `bootstrap`. Null: image_uri says where the function is."
  type        = string
  default     = null

  validation {
    condition     = var.zip_file == null || try(fileexists(var.zip_file), false)
    error_message = "There is no such file. `make package` makes the zip in target/package."
  }
  validation {
    condition     = (var.zip_file == null) != (var.image_uri == null)
    error_message = "Give either a zip or a container image."
  }
}

variable "image_uri" {
  description = "The container image of the function in ECR, with its digest. Null: zip_file says where the function is."
  type        = string
  default     = null
}

variable "architecture" {
  description = "The processor that the function was built for: x86_64 or arm64."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "Lambda has x86_64 and arm64."
  }
}

variable "memory_mib" {
  description = "The memory of the function in MiB. Its share of a processor grows with it."
  type        = number
  default     = 256

  validation {
    condition     = var.memory_mib >= 128 && var.memory_mib <= 10240
    error_message = "Lambda gives 128 to 10,240 MiB."
  }
}

variable "timeout_secs" {
  description = "How long one invocation may take. A claim on a set of files lasts a little longer."
  type        = number
  default     = 120

  validation {
    condition     = var.timeout_secs >= 10 && var.timeout_secs <= 900
    error_message = "An invocation may take 10 to 900 seconds."
  }
}

variable "reserved_concurrency" {
  description = "How many invocations may run at the same time. -1: as many as the account allows."
  type        = number
  default     = -1

  validation {
    condition     = var.reserved_concurrency == -1 || var.reserved_concurrency >= 2
    error_message = "The function needs at least 2: one for events and one for the sweep. -1 sets no limit."
  }
}

variable "log_retention_days" {
  description = "For how many days the function's log is kept."
  type        = number
  default     = 365
}

variable "drop_bucket" {
  description = "The watched bucket."
  type        = object({ name = string, arn = string })
}

variable "definitions_bucket" {
  description = "The bucket of the definitions, and of the ledger beside them."
  type        = object({ name = string, arn = string })
}

variable "ledger_prefixes" {
  description = "The prefixes in the definitions bucket that the orchestrator writes."
  type        = list(string)
  default     = ["ledger", "caps"]
}

variable "topic_arn" {
  description = "The topic of the notices."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts the topic, the log and the function's environment."
  type        = string
}

variable "pipeline_service" {
  description = "The engine: its endpoint, its port and its security group. Null: AWS Data Pipeline."
  type        = object({ endpoint = string, port = number, security_group_id = string })
  default     = null

  validation {
    condition     = var.pipeline_service == null || var.network != null
    error_message = "The engine is private, so the function must be in its network."
  }
}

variable "access_key" {
  description = "The access key that calls of the engine are signed with. AWS Data Pipeline takes the role instead: null."
  type        = object({ id = string, secret = string })
  sensitive   = true
  default     = null
}

variable "authority" {
  description = "The certificate in PEM of the authority that has issued the engine's certificate. Null: a public one, or no TLS."
  type        = string
  default     = null
}

variable "pipeline_role_arns" {
  description = "The roles that pipelines on AWS Data Pipeline use."
  type        = list(string)
  default     = []
}

variable "network" {
  description = "The network in which the function runs. Null: outside of every network of yours."
  type = object({
    vpc_id     = string
    subnet_ids = list(string)
    https_targets = map(object({
      prefix_list_id    = optional(string)
      security_group_id = optional(string)
      cidr_ipv4         = optional(string)
    }))
  })
  default = null
}
