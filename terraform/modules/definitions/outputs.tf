output "keys" {
  description = "The keys of the uploaded files."
  value       = sort(concat([for file in aws_s3_object.file : file.key], [aws_s3_object.values.key]))
}
