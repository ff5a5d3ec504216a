variable "name" {
  description = "The name of the deployment."
  type        = string
}

variable "route" {
  description = "The way of an event from S3 to the function: queue (through SQS) or eventbridge."
  type        = string
  default     = "queue"

  validation {
    condition     = contains(["queue", "eventbridge"], var.route)
    error_message = "The way is queue or eventbridge."
  }
}

variable "prefix" {
  description = "Only keys that begin with this text send events."
  type        = string
  default     = ""
}

variable "tries" {
  description = "After how many failed tries a message of the queue goes to the dead letters."
  type        = number
  default     = 5

  validation {
    condition     = var.tries >= 2 && var.tries <= 1000
    error_message = "A message is tried 2 to 1,000 times."
  }
}

variable "sweep_minutes" {
  description = "The minutes between two sweeps."
  type        = number
  default     = 5

  validation {
    condition     = var.sweep_minutes >= 1 && var.sweep_minutes == floor(var.sweep_minutes)
    error_message = "The minutes must be a whole number from 1 on."
  }
}

variable "drop_bucket" {
  description = "The watched bucket."
  type        = object({ name = string, arn = string })
}

variable "function" {
  description = "The orchestrator, as the module orchestrator describes it."
  type = object({
    name         = string
    alias_name   = string
    alias_arn    = string
    role_name    = string
    timeout_secs = number
  })
}

variable "kms_key_arn" {
  description = "The key that encrypts the queues and the schedule."
  type        = string
}
