variable "program" {
  description = "The program: its name, where it is in S3, and its checksum."
  type        = object({ name = string, s3_uri = string, sha256 = string })
}

variable "unit" {
  description = "The text of the program's unit of systemd."
  type        = string
}

variable "environment" {
  description = "The settings of the program, which are no secrets."
  type        = map(string)

  validation {
    condition     = alltrue([for value in values(var.environment) : !strcontains(value, "\n")])
    error_message = "A setting must be one line, because each line of the file is a setting."
  }
}

variable "secret" {
  description = "The secret whose text has further settings, one NAME=value a line. Null: no secret."
  type        = object({ arn = string, version_id = string })
  default     = null
}

variable "region" {
  description = "The region of the bucket and of the secret."
  type        = string
}
