output "names" {
  description = "The name of each bucket, by purpose: drop, definitions, results, logs, artifacts."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.id }
}

output "arns" {
  description = "The ARN of each bucket, by purpose."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.arn }
}
