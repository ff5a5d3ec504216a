variable "region" {
  description = "The AWS region."
  type        = string
  default     = "us-east-1"
}

variable "notification_emails" {
  description = "The addresses that get the mails."
  type        = list(string)
}

variable "database_password" {
  description = "The password of the database's user. Pass it as TF_VAR_database_password."
  type        = string
  sensitive   = true
}

variable "engine_secret_access_key" {
  description = "The secret with which calls of the engine are signed. Pass it as TF_VAR_engine_secret_access_key."
  type        = string
  sensitive   = true
}

variable "engine_tls" {
  description = "The certificate of engine.downspout-prod.internal in PEM, the secret with its private key, the key of KMS of this secret, and the certificate of the authority, unless this is a public one. Null: no TLS."
  type        = object({ certificate = string, key_secret_arn = string, key_kms_key_arn = optional(string), authority = optional(string) })
  default     = null
}

variable "package_folder" {
  description = "The folder in which `make package` puts the programs."
  type        = string
  default     = "../../../target/package"
}

variable "deletion_protection" {
  description = "Whether `terraform destroy` is refused while there is data."
  type        = bool
  default     = true
}

variable "wait_for_workers" {
  description = "How long `terraform apply` waits for the first worker. 0 does not wait."
  type        = string
  default     = "10m"
}
