output "secret_arn" {
  description = "The ARN of the secret, as `myPasswordSecret` of a database names it."
  value       = aws_secretsmanager_secret.this.arn
}
