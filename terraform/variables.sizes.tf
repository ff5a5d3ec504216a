# How large things are, how long things are kept, and what exists already.

variable "existing_network" {
  description = "A network of yours: its id, private subnets in two zones, and where the AWS services are in it (addresses of interface endpoints, or 0.0.0.0/0 by a NAT). Null: a new network."
  type = object({
    vpc_id             = string
    private_subnet_ids = list(string)
    https_cidrs        = list(string)
  })
  default = null

  validation {
    condition     = var.existing_network == null || try(length(var.existing_network.private_subnet_ids) >= 2, false)
    error_message = "The database needs private subnets in two zones."
  }
}

variable "network_cidr" {
  description = "The addresses of the new network."
  type        = string
  default     = "10.42.0.0/16"
}

variable "existing_database" {
  description = "A PostgreSQL of yours, and its security group, which must let in the groups of the outputs. Null: a new one in RDS."
  type = object({
    host              = string
    port              = number
    name              = string
    username          = string
    security_group_id = string
  })
  default = null
}

variable "database_instance_class" {
  description = "The size of the new database."
  type        = string
  default     = "db.t4g.micro"
}

variable "database_storage_gib" {
  description = "The storage of the new database in GiB. It grows by itself to five times as much."
  type        = number
  default     = 20
}

variable "database_multi_az" {
  description = "Whether a second zone has a standby of the new database."
  type        = bool
  default     = false
}

variable "database_backup_days" {
  description = "For how many days the daily backups of the new database are kept."
  type        = number
  default     = 7
}

variable "engine_instance_type" {
  description = "The size of the engine's machine, of the x86_64 architecture."
  type        = string
  default     = "t2.micro"
}

variable "worker_instance_type" {
  description = "The size of a worker's machine, of the x86_64 architecture."
  type        = string
  default     = "t3.small"
}

variable "worker_disk_gib" {
  description = "The disk of a worker's machine in GiB."
  type        = number
  default     = 20
}

variable "worker_count" {
  description = "How many workers run at least and at most. Between them, the attempts that wait for a worker decide; with AWS Data Pipeline, the load of the workers."
  type        = object({ min = number, max = number })
  default     = { min = 1, max = 1 }
}

variable "worker_group" {
  description = "The worker group that the workers poll, as the parameter myWorkerGroup of the definitions."
  type        = string
  default     = "downspout"
}

variable "ec2_resources" {
  description = "Whether the engine starts EC2 machines for Ec2Resource. They have the size of a worker's machine, unless the resource names another."
  type        = bool
  default     = false
}

variable "rds_instances" {
  description = "Addresses of the instances that an RdsDatabase names by `rdsInstanceId`, as ID=HOST:PORT."
  type        = list(string)
  default     = []
}

variable "wait_for_workers" {
  description = "How long `terraform apply` waits for the first worker, such as 10m. 0 does not wait."
  type        = string
  default     = "10m"
}

variable "event_route" {
  description = "The way of an event from S3 to the function: queue (through SQS) or eventbridge."
  type        = string
  default     = "queue"
}

variable "sweep_minutes" {
  description = "The minutes between two sweeps, which start sets whose event was lost."
  type        = number
  default     = 5
}

variable "bucket_suffix" {
  description = "The end of the buckets' names. Null: account and region."
  type        = string
  default     = null
}

variable "expire_after_days" {
  description = "After how many days objects are deleted, by the purpose of their bucket: drop, results or logs. A bucket that is not named keeps its objects."
  type        = map(number)
  default     = { logs = 90 }
}

variable "log_retention_days" {
  description = "For how many days the function's log is kept, as CloudWatch allows it: 30, 90, 365, …"
  type        = number
  default     = 365
}

variable "monthly_budget_usd" {
  description = "A budget of the account for one month in USD, whose forecast warns by mail. Null: no budget."
  type        = number
  default     = null
}
