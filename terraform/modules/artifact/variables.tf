variable "name" {
  description = "The name of the program, such as ec2-worker."
  type        = string
}

variable "file" {
  description = "The path of the program on the machine that runs Terraform."
  type        = string

  validation {
    condition     = fileexists(var.file)
    error_message = "There is no such file. `make package` makes the programs in target/package."
  }
}

variable "bucket" {
  description = "The name of the artifacts bucket."
  type        = string
}

variable "bucket_arn" {
  description = "The ARN of the artifacts bucket."
  type        = string
}
