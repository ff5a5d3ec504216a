variable "role_name" {
  description = "The name of the service's role, as `role` of the definitions."
  type        = string
  default     = "DataPipelineDefaultRole"
}

variable "resource_role_name" {
  description = "The name of the machines' role, as `resourceRole` of the definitions."
  type        = string
  default     = "DataPipelineDefaultResourceRole"
}

variable "topic_arn" {
  description = "The topic of the notices."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts the topic."
  type        = string
}

variable "read_bucket_arns" {
  description = "The buckets that pipelines read."
  type        = list(string)
}

variable "write_bucket_arns" {
  description = "The buckets that pipelines also write: results, logs."
  type        = list(string)
}
