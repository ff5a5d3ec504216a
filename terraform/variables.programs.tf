# The programs that `make package` makes, and the definitions.

variable "orchestrator_zip" {
  description = "The path of the function's zip."
  type        = string
  default     = "../target/package/orchestrator.zip"
}

variable "orchestrator_image" {
  description = "The container image of the function in ECR, with its digest. It replaces the zip. Null: the zip."
  type        = string
  default     = null

  validation {
    condition     = var.orchestrator_image == null || can(regex("@sha256:[0-9a-f]{64}$", var.orchestrator_image))
    error_message = "Name the image by its digest, as ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:…, because a tag can change its image unseen."
  }
}

variable "orchestrator_architecture" {
  description = "The processor that the function was built for: x86_64 or arm64."
  type        = string
  default     = "x86_64"
}

variable "orchestrator_reserved_concurrency" {
  description = "How many invocations of the function may run at the same time. -1: as many as the account allows."
  type        = number
  default     = -1
}

variable "worker_program" {
  description = "The path of the program `ec2-worker`, built for x86_64."
  type        = string
  default     = "../target/package/ec2-worker"
}

variable "engine_program" {
  description = "The path of the program `downspout`, built for x86_64. `downspout server` is the engine."
  type        = string
  default     = "../target/package/downspout"
}

variable "definitions_folder" {
  description = "The folder of the pipeline definitions. Every file is uploaded, except folders named samples."
  type        = string
  default     = "../pipeline-definitions"
}

variable "definition_values" {
  description = "Further values of parameters for the definitions, which are not secrets. They win over those that Terraform knows."
  type        = map(string)
  default     = {}
}
