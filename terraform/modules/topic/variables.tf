variable "name" {
  description = "The name of the topic."
  type        = string
}

variable "account_id" {
  description = "The AWS account, whose alarms may publish."
  type        = string
}

variable "display_name" {
  description = "The name of the sender that mail programs show."
  type        = string
  default     = "Downspout"
}

variable "emails" {
  description = "The addresses that get the mails. Each gets a mail from SNS first and must confirm."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+$", email))])
    error_message = "Each entry must be an e-mail address, such as you@example.com."
  }
}

variable "kms_key_arn" {
  description = "The ARN of the key that encrypts the messages. A local SNS has none: null."
  type        = string
  default     = null
}

variable "publishers" {
  description = "The ARNs of the roles that may publish, under names that you choose."
  type        = map(string)

  validation {
    condition     = length(var.publishers) > 0
    error_message = "At least one role must be able to publish."
  }
}
