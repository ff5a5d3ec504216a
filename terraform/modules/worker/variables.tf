variable "name" {
  description = "The name of the deployment."
  type        = string
}

variable "vpc_id" {
  description = "The network of the workers."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets."
  type        = list(string)
}

variable "program" {
  description = "The program `ec2-worker` in the artifacts bucket, as the module artifact describes it."
  type        = object({ name = string, s3_uri = string, arn = string, sha256 = string })
}

variable "instance_type" {
  description = "The size of a machine. It must be of the x86_64 architecture."
  type        = string
  default     = "t3.small"
}

variable "disk_gib" {
  description = "The disk of a machine in GiB. A worker keeps the files there that a command works on."
  type        = number
  default     = 20

  validation {
    condition     = var.disk_gib >= 8
    error_message = "The image of Amazon Linux needs 8 GiB."
  }
}

variable "size" {
  description = "How many workers run at least and at most. Between them, the waiting attempts decide, or their load without such a metric."
  type        = object({ min = number, max = number })
  default     = { min = 1, max = 1 }

  validation {
    condition     = var.size.min >= 0 && var.size.max >= max(var.size.min, 1)
    error_message = "The largest number must be at least 1, and at least the smallest number."
  }
}

variable "worker_groups" {
  description = "The worker groups that the workers poll, as `workerGroup` of the definitions."
  type        = list(string)

  validation {
    condition     = length(var.worker_groups) > 0 && alltrue([for group in var.worker_groups : can(regex("^[^,\\s]+$", group))])
    error_message = "There must be at least one worker group, and no name may have a comma or a space."
  }
}

variable "concurrency" {
  description = "The largest number of tasks that one worker does at the same time."
  type        = number
  default     = 4

  validation {
    condition     = var.concurrency >= 1
    error_message = "A worker does at least one task."
  }
}

variable "rds_instances" {
  description = "Addresses of the instances that an RdsDatabase names by `rdsInstanceId`, as ID=HOST:PORT."
  type        = list(string)
  default     = []
}

variable "pipeline_service" {
  description = "The engine: its endpoint, its port and its security group. Null: AWS Data Pipeline."
  type        = object({ endpoint = string, port = number, security_group_id = string })
  default     = null
}

variable "waiting_metric" {
  description = "The metric in CloudWatch of the attempts that wait for these workers, by which they scale. Null: their load decides."
  type        = object({ namespace = string, name = string, dimensions = map(string) })
  default     = null
}

variable "authority" {
  description = "The certificate in PEM of the authority that has issued the engine's certificate. Null: a public one, or no TLS."
  type        = string
  default     = null
}

variable "access_key" {
  description = "The access key that calls of the engine are signed with, and that is good for the worker groups alone. AWS Data Pipeline takes the role instead: null."
  type        = object({ id = string, secret = string })
  sensitive   = true
  default     = null
}

variable "database" {
  description = "The port and the security group of the PostgreSQL that the workers load."
  type        = object({ port = number, security_group_id = string })
}

variable "https_targets" {
  description = "Where the AWS services are that the workers call. Each target has one of the three values."
  type = map(object({
    prefix_list_id    = optional(string)
    security_group_id = optional(string)
    cidr_ipv4         = optional(string)
  }))
}

variable "read_bucket_arns" {
  description = "The buckets that the workers read: dropped files, scripts."
  type        = list(string)
}

variable "write_bucket_arns" {
  description = "The buckets that the workers also write: results, logs."
  type        = list(string)
}

variable "password_secrets" {
  description = "The secrets and parameters that databases of definitions name by `myPasswordSecret`, and the keys of KMS that encrypt them."
  type = object({
    secret_arns    = list(string)
    parameter_arns = list(string)
    kms_key_arns   = list(string)
  })
}

variable "kms_key_arn" {
  description = "The key that encrypts the secret."
  type        = string
}

variable "secret_recovery_days" {
  description = "For how many days a deleted secret can be restored: 7 to 30, or 0 for not at all."
  type        = number
  default     = 30
}

variable "wait_for_workers" {
  description = "How long `terraform apply` waits until the first workers are in service, such as 10m. 0 does not wait."
  type        = string
  default     = "10m"
}
