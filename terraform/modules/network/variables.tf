variable "name" {
  description = "The name of the deployment. The parts of the network have it in their tag Name."
  type        = string
}

variable "cidr" {
  description = "The addresses of the network."
  type        = string
  default     = "10.42.0.0/16"

  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 8))
    error_message = "The addresses must be a block such as 10.42.0.0/16, of at least 256 addresses."
  }
}

variable "interface_endpoints" {
  description = "The AWS services that the network reaches by endpoints of its own. Each costs by the hour. S3 is always reached by a gateway, which costs nothing."
  type        = list(string)
  default     = ["sns", "secretsmanager", "ssm", "ssmmessages"]
}

variable "nat_gateway" {
  description = "Whether there is a NAT gateway, through which the private subnets reach the internet."
  type        = bool
  default     = false
}
