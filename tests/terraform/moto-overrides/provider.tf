# moto takes any key, and has the name of a bucket in the path.
provider "aws" {
  access_key              = "test"
  secret_key              = "test"
  s3_use_path_style       = true
  skip_metadata_api_check = true
}
