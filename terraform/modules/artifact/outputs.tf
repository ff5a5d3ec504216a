output "program" {
  description = "What a machine needs to fetch the program: name, s3_uri, arn and sha256."
  value = {
    name   = var.name
    s3_uri = "s3://${aws_s3_object.this.bucket}/${aws_s3_object.this.key}"
    arn    = "${var.bucket_arn}/${aws_s3_object.this.key}"
    sha256 = local.sha256
  }
}
