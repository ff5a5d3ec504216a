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
  description = "The certificate of engine.pipelines.example.com in PEM, and that of its authority, unless this is a public one. Null: no TLS."
  type        = object({ certificate = string, key_secret_arn = optional(string), authority = optional(string) })
  default     = null
}

variable "engine_tls_private_key" {
  description = "The private key of the certificate in PEM. Pass it as TF_VAR_engine_tls_private_key. Null: no TLS, or a secret of yours has it."
  type        = string
  sensitive   = true
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

variable "vpc_id" {
  description = "Your network."
  type        = string
}

variable "private_subnet_ids" {
  description = "Private subnets of your network, in two zones."
  type        = list(string)
}

variable "https_cidrs" {
  description = "Where the AWS services are in your network: the addresses of its interface endpoints, or 0.0.0.0/0 by a NAT."
  type        = list(string)
}

variable "database" {
  description = "Your PostgreSQL, and its security group."
  type = object({
    host              = string
    port              = number
    name              = string
    username          = string
    security_group_id = string
  })
}
