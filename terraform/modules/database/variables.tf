variable "name" {
  description = "The name of the deployment, and of the database instance."
  type        = string
}

variable "vpc_id" {
  description = "The network of the database."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in at least two zones."
  type        = list(string)
}

variable "client_security_group_ids" {
  description = "The security groups that may connect, under names that you choose."
  type        = map(string)
}

variable "database_name" {
  description = "The name of the database in the instance."
  type        = string
  default     = "downspout"
}

variable "username" {
  description = "The user who owns the database."
  type        = string
  default     = "downspout"
}

variable "password" {
  description = "The password of the user."
  type        = string
  sensitive   = true
}

variable "postgres_version" {
  description = "The major version of PostgreSQL."
  type        = string
  default     = "17"

  validation {
    condition     = can(regex("^1[4-9]$", var.postgres_version))
    error_message = "Write a major version from 14 on, such as 17."
  }
}

variable "instance_class" {
  description = "The size of the database instance."
  type        = string
  default     = "db.t4g.micro"

  validation {
    condition     = startswith(var.instance_class, "db.")
    error_message = "The class of a database instance begins with db., such as db.t4g.micro."
  }
}

variable "storage_gib" {
  description = "The storage in GiB. It grows by itself to five times as much."
  type        = number
  default     = 20

  validation {
    condition     = var.storage_gib >= 20
    error_message = "RDS gives at least 20 GiB."
  }
}

variable "multi_az" {
  description = "Whether a second zone has a standby of the database."
  type        = bool
  default     = false
}

variable "backup_days" {
  description = "For how many days the daily backups are kept."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "RDS keeps backups for 1 to 35 days."
  }
}

variable "deletion_protection" {
  description = "Whether the database refuses to be deleted. Without it, `terraform destroy` deletes it and takes no last snapshot."
  type        = bool
  default     = true
}
