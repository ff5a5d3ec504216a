# Plans of the root module with a provider that answers from thin air: what is made for which variables.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_data "aws_availability_zones" {
    defaults = { names = ["us-east-1a", "us-east-1b", "us-east-1c"] }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }
}

variables {
  database_password        = "0123456789abcdef"
  engine_secret_access_key = "0123456789abcdef0123456789abcdef"
  notification_emails      = ["you@example.com"]
  orchestrator_zip         = "./README.md"
  worker_program           = "./README.md"
  engine_program           = "./README.md"
}

run "the_engine_of_this_project" {
  command = plan

  assert {
    condition     = length(module.engine) == 1 && length(module.data_pipeline_roles) == 0
    error_message = "The engine must be made, and no roles of AWS Data Pipeline."
  }
  assert {
    condition     = output.endpoint == "http://engine.downspout.internal:4567"
    error_message = "The engine's address is ${output.endpoint}."
  }
  assert {
    condition     = output.buckets == null || length(output.buckets) == 5
    error_message = "There must be five buckets."
  }
}

run "machines_for_ec2_resource" {
  command = plan

  variables {
    ec2_resources = true
  }

  assert {
    condition     = length(module.engine[0].machine_role_names) == 1
    error_message = "The machines must have a role of their own."
  }
}

run "tls_of_the_engine" {
  command = plan

  variables {
    engine_domain          = "pipelines.example.com"
    engine_tls             = { certificate = "-----BEGIN CERTIFICATE-----", authority = "-----BEGIN CERTIFICATE-----" }
    engine_tls_private_key = "-----BEGIN PRIVATE KEY-----"
  }

  assert {
    condition     = output.endpoint == "https://engine.pipelines.example.com:4567"
    error_message = "The engine's address is ${output.endpoint}."
  }
}

run "a_private_key_without_a_certificate_is_refused" {
  command = plan

  variables {
    engine_tls_private_key = "-----BEGIN PRIVATE KEY-----"
  }

  expect_failures = [var.engine_tls_private_key]
}

run "workers_scale_by_waiting_attempts" {
  command = plan

  variables {
    worker_count = { min = 1, max = 3 }
  }

  assert {
    condition     = module.engine[0].waiting_metrics["downspout"].name == "WaitingAttempts"
    error_message = "The engine must send the metric by which the workers scale."
  }
}

run "aws_data_pipeline" {
  command = plan

  variables {
    engine                   = "aws-data-pipeline"
    engine_secret_access_key = null
  }

  assert {
    condition     = length(module.engine) == 0 && length(module.data_pipeline_roles) == 1 && output.endpoint == null
    error_message = "The roles of AWS Data Pipeline must be made, and no engine."
  }
}

run "a_network_and_a_database_of_yours" {
  command = plan

  variables {
    existing_network = {
      vpc_id             = "vpc-1"
      private_subnet_ids = ["subnet-1", "subnet-2"]
      https_cidrs        = ["10.0.0.0/16"]
    }
    existing_database = {
      host              = "db.example.com"
      port              = 5433
      name              = "warehouse"
      username          = "loader"
      security_group_id = "sg-1"
    }
  }

  assert {
    condition     = length(module.network) == 0 && length(module.database) == 0
    error_message = "No network and no database must be made."
  }
  assert {
    condition     = output.database.port == 5433
    error_message = "The database is at port ${output.database.port}."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    engine             = "luigi"
    name               = "Down_spout"
    database_password  = "short"
    orchestrator_image = "example:latest"
    existing_network   = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1"], https_cidrs = [] }
  }

  expect_failures = [
    var.engine,
    var.name,
    var.database_password,
    var.orchestrator_image,
    var.existing_network,
  ]
}

run "an_engine_without_a_secret_is_refused" {
  command = plan

  variables {
    engine_secret_access_key = "short"
  }

  expect_failures = [var.engine_secret_access_key]
}
