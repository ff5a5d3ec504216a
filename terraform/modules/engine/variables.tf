variable "name" {
  description = "The name of the deployment."
  type        = string
}

variable "account_id" {
  description = "The AWS account that owns the pipelines."
  type        = string
}

variable "vpc_id" {
  description = "The network of the engine."
  type        = string
}

variable "subnet_id" {
  description = "A private subnet."
  type        = string
}

variable "domain" {
  description = "The domain of the engine's name in the network: the engine is engine.DOMAIN."
  type        = string
}

variable "instance_type" {
  description = "The size of the machine. It must be of the x86_64 architecture."
  type        = string
  default     = "t2.micro"
}

variable "program" {
  description = "The program `downspout` in the artifacts bucket, as the module artifact describes it."
  type        = object({ name = string, s3_uri = string, arn = string, sha256 = string })
}

variable "database" {
  description = "The PostgreSQL of the engine's store, and its security group."
  type = object({
    host              = string
    port              = number
    name              = string
    username          = string
    security_group_id = string
  })
}

variable "database_password" {
  description = "The password of the database's user."
  type        = string
  sensitive   = true
}

variable "access_key" {
  description = "The access key that the engine's clients sign with."
  type        = object({ id = string, secret = string })
  sensitive   = true
}

variable "client_security_group_ids" {
  description = "The security groups that may call the engine, under names that you choose."
  type        = map(string)
}

variable "https_targets" {
  description = "Where the AWS services are that the engine calls. Each target has one of the three values."
  type = map(object({
    prefix_list_id    = optional(string)
    security_group_id = optional(string)
    cidr_ipv4         = optional(string)
  }))
}

variable "checked_bucket_arns" {
  description = "The buckets in which preconditions may look for keys."
  type        = list(string)
}

variable "machines" {
  description = "The machines that the engine starts for Ec2Resource: the program `ec2-worker`, where they start, how large they are, the buckets that they read and write, and the secrets with the passwords of databases. Null: it starts none."
  type = object({
    program           = object({ name = string, s3_uri = string, arn = string, sha256 = string })
    subnet_ids        = list(string)
    security_group_id = string
    instance_type     = string
    disk_gib          = number
    rds_instances     = list(string)
    read_bucket_arns  = list(string)
    write_bucket_arns = list(string)
    password_secrets = object({
      secret_arns    = list(string)
      parameter_arns = list(string)
      kms_key_arns   = list(string)
    })
  })
  default = null
}

variable "topic_arn" {
  description = "The topic of the notices."
  type        = string
}

variable "kms_key_arn" {
  description = "The key that encrypts the topic and the secret."
  type        = string
}

variable "secret_recovery_days" {
  description = "For how many days a deleted secret can be restored: 7 to 30, or 0 for not at all."
  type        = number
  default     = 30
}
