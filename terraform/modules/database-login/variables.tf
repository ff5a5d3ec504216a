variable "name" {
  description = "The name of the deployment."
  type        = string
}

variable "connection" {
  description = "Where the PostgreSQL is, and its user."
  type = object({
    host     = string
    port     = number
    name     = string
    username = string
  })
}

variable "password" {
  description = "The password of the user."
  type        = string
  sensitive   = true
}

variable "kms_key_arn" {
  description = "The ARN of the key that encrypts the secret."
  type        = string
}

variable "secret_recovery_days" {
  description = "For how many days a deleted secret can be restored: 7 to 30, or 0 for not at all."
  type        = number
  default     = 30
}
