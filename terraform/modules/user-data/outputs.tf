output "script" {
  description = "The script, for the user data of a machine with Amazon Linux 2023."
  value = templatefile("${path.module}/user-data.sh.tftpl", {
    program     = var.program
    unit        = var.unit
    install     = file("${local.systemd}/install")
    environment = join("\n", [for name, value in var.environment : "${name}=${value}"])
    secret      = var.secret
    files       = var.files
    authority   = var.authority
    then        = var.then
    region      = var.region

    secret_files = var.secret_files
  })
}
