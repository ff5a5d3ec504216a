variable "bucket" {
  description = "The name of the definitions bucket."
  type        = string
}

variable "folder" {
  description = "The folder of the definitions. Every file in it is uploaded, except folders named samples and names that begin with a dot."
  type        = string
}

variable "values" {
  description = "Values of parameters for all definitions."
  type        = map(string)
}

variable "database" {
  description = "The password of the database, and the ARN of its secret, which definitions name by the parameter myDatabaseCredentials. The password itself is written only if a definition uses the parameter *myDatabasePassword without it."
  type        = object({ secret_arn = string, password = string })
  sensitive   = true
}
