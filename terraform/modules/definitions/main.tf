locals {
  # Samples are for tests, and values.json is written below.
  files = toset([
    for file in fileset(var.folder, "**") : file
    if file != "values.json" && !contains(split("/", file), "samples") && !startswith(basename(file), ".")
  ])
  own_values = fileexists("${var.folder}/values.json") ? jsondecode(file("${var.folder}/values.json")) : {}
  # A definition that asks for the password without naming its secret gets the password itself.
  definitions = { for file in local.files : file => file("${var.folder}/${file}") if endswith(file, ".json") }
  needs_password = anytrue([
    for text in values(local.definitions) : strcontains(text, "*myDatabasePassword") && !strcontains(text, "myDatabaseCredentials")
  ])
  database = {
    myDatabaseCredentials = var.database.secret_arn
    "*myDatabasePassword" = local.needs_password ? var.database.password : "in the secret myDatabaseCredentials"
  }
  types = { json = "application/json", sql = "application/sql" }
}

resource "aws_s3_object" "file" {
  # checkov:skip=CKV_AWS_186:The bucket encrypts its objects with the key of S3, as the module buckets says.
  for_each = local.files

  bucket       = var.bucket
  key          = each.value
  source       = "${var.folder}/${each.value}"
  source_hash  = filemd5("${var.folder}/${each.value}")
  content_type = lookup(local.types, reverse(split(".", each.value))[0], "application/octet-stream")
}

# The values of the folder's own values.json win, as with `downspout up`.
resource "aws_s3_object" "values" {
  # checkov:skip=CKV_AWS_186:The bucket encrypts its objects with the key of S3, as the module buckets says.
  bucket       = var.bucket
  key          = "values.json"
  content      = jsonencode(merge(var.values, local.database, local.own_values))
  content_type = "application/json"
}
