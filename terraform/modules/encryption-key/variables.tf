variable "name" {
  description = "The name of the deployment. The key's alias has it."
  type        = string
}

variable "deletion_window_in_days" {
  description = "For how many days a deleted key can still be restored."
  type        = number
  default     = 30

  validation {
    condition     = var.deletion_window_in_days >= 7 && var.deletion_window_in_days <= 30
    error_message = "KMS keeps a deleted key for 7 to 30 days."
  }
}
