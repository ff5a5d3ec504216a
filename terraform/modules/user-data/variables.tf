variable "program" {
  description = "The program: its name, where it is in S3, and its checksum."
  type        = object({ name = string, s3_uri = string, sha256 = string })
}

variable "unit" {
  description = "The text of the program's unit of systemd."
  type        = string
}

variable "environment" {
  description = "The settings of the program, which are not secrets."
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

variable "secret_files" {
  description = "Files that the program reads and that are secrets, under their names in /etc/downspout. A version of null is the current one."
  type        = map(object({ arn = string, version_id = optional(string) }))
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.secret_files) : can(regex("^[a-z0-9.-]+$", name))])
    error_message = "A file has small letters, digits, dots and hyphens."
  }
}

variable "files" {
  description = "Further files that the program reads and that are not secrets, under their names in /etc/downspout."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.files) : can(regex("^[a-z0-9.-]+$", name))])
    error_message = "A file has small letters, digits, dots and hyphens."
  }
}

variable "authority" {
  description = "The certificate of an authority in PEM, which the machine trusts besides the public ones. Null: none."
  type        = string
  default     = null
}

variable "then" {
  description = "Lines of shell that run after the program was installed."
  type        = string
  default     = ""
}

variable "region" {
  description = "The region of the bucket and of the secret."
  type        = string
}
