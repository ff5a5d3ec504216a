output "connection" {
  description = "Where the database is: host, port, name and username."
  value = {
    host     = aws_db_instance.this.address
    port     = aws_db_instance.this.port
    name     = var.database_name
    username = var.username
  }
}

output "security_group_id" {
  description = "The security group of the database."
  value       = aws_security_group.this.id
}
