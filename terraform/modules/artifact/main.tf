locals {
  sha256 = filesha256(var.file)
}

# The key has the checksum, so an object never changes its content, and machines that start later still find their version.
resource "aws_s3_object" "this" {
  # checkov:skip=CKV_AWS_186:The artifacts are not secrets. The bucket encrypts them with the key of S3.
  bucket      = var.bucket
  key         = "${var.name}/${local.sha256}/${var.name}"
  source      = var.file
  source_hash = local.sha256
}
