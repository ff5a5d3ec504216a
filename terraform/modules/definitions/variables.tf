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

variable "secret_values" {
  description = "Values of parameters that are secrets. Their names begin with *my."
  type        = map(string)
  sensitive   = true
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.secret_values) : startswith(name, "*my")])
    error_message = "The name of a secret parameter begins with *my, so that it is never shown."
  }
}
