# The modules of buckets and of the topic, and a pipeline, against `downspout up`. The environment has the addresses and keys.

terraform {
  # `init` says the path of the state.
  backend "local" {}

  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

# The stack has no STS and no IAM, and the name of a bucket in the path.
provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variable "emails" {
  description = "The addresses that get the mails."
  type        = list(string)
}

variable "expire_after_days" {
  description = "After how many days objects are deleted, by the purpose of their bucket."
  type        = map(number)
}

module "buckets" {
  source = "../../../terraform/modules/buckets"

  name              = "team"
  suffix            = "local"
  expire_after_days = var.expire_after_days
  force_destroy     = true
}

module "topic" {
  source = "../../../terraform/modules/topic"

  name       = "team-notices"
  account_id = "000000000000"
  emails     = var.emails
  publishers = { orchestrator = "arn:aws:iam::000000000000:role/orchestrator" }
}

resource "aws_datapipeline_pipeline" "hello" {
  name        = "hello"
  description = "Says hello"
  tags        = { team = "warehouse" }
}

resource "aws_datapipeline_pipeline_definition" "hello" {
  pipeline_id = aws_datapipeline_pipeline.hello.id

  pipeline_object {
    id   = "Default"
    name = "Default"

    field {
      key          = "scheduleType"
      string_value = "ondemand"
    }
    field {
      key          = "workerGroup"
      string_value = "downspout"
    }
    field {
      key          = "pipelineLogUri"
      string_value = "s3://${module.buckets.names.logs}/hello"
    }
    field {
      key          = "role"
      string_value = "DataPipelineDefaultRole"
    }
    field {
      key          = "resourceRole"
      string_value = "DataPipelineDefaultResourceRole"
    }
  }

  pipeline_object {
    id   = "Hello"
    name = "Hello"

    field {
      key          = "type"
      string_value = "ShellCommandActivity"
    }
    field {
      key          = "command"
      string_value = "echo hello"
    }
  }
}

output "buckets" {
  description = "The name of each bucket, by purpose."
  value       = module.buckets.names
}

output "topic_arn" {
  description = "The topic."
  value       = module.topic.arn
}

output "pipeline_id" {
  description = "The pipeline."
  value       = aws_datapipeline_pipeline.hello.id
}
