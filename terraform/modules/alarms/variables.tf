variable "name" {
  description = "The name of the deployment."
  type        = string
}

variable "topic_arn" {
  description = "The topic that gets the alarms."
  type        = string
}

variable "emails" {
  description = "The addresses that a budget warns."
  type        = list(string)
  default     = []
}

variable "dead_letters_queue" {
  description = "The name of the queue of dead letters."
  type        = string
}

variable "function_name" {
  description = "The name of the orchestrator's function."
  type        = string
}

variable "schedule_group" {
  description = "The group of the sweep's schedule."
  type        = string
}

variable "sweep_minutes" {
  description = "The minutes between two sweeps."
  type        = number
}

variable "worker_group" {
  description = "The name of the auto scaling group of the workers."
  type        = string
}

variable "engine" {
  description = "Whether there is a machine of the engine to watch. The id of the machine is known only after it was made, so it cannot say this."
  type        = bool
}

variable "engine_instance_id" {
  description = "The id of the engine's machine."
  type        = string
  default     = null
}

variable "monthly_budget_usd" {
  description = "The budget of the account for one month in USD. Null: no budget. AWS counts all costs of the account."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null || try(var.monthly_budget_usd > 0, false)
    error_message = "A budget is more than 0 USD."
  }
}
