variable "name" {
  description = "The name of the deployment. Each bucket's name begins with it."
  type        = string
}

variable "suffix" {
  description = "The end of each bucket's name. It makes the names unique, because all accounts share one space of names."
  type        = string
}

variable "expire_after_days" {
  description = "After how many days objects are deleted, by the purpose of the bucket: drop, results or logs. A purpose that is not named keeps its objects."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for purpose, days in var.expire_after_days : contains(["drop", "results", "logs"], purpose) && days >= 1])
    error_message = "Only the buckets drop, results and logs can expire, after at least 1 day."
  }
}

variable "keep_old_versions_days" {
  description = "For how many days replaced and deleted versions of an object are kept."
  type        = number
  default     = 30

  validation {
    condition     = var.keep_old_versions_days >= 1
    error_message = "Old versions are kept for at least 1 day."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` also deletes buckets that have objects."
  type        = bool
  default     = false
}
