output "vpc_id" {
  description = "The id of the network."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "The ids of the private subnets, one in each of two zones."
  value       = [for zone in local.zones : aws_subnet.private[zone].id]
}

output "https_targets" {
  description = "Where machines of this network find HTTPS: the gateway of S3, the interface endpoints, and the internet if there is a NAT gateway."
  value = merge(
    { s3 = { prefix_list_id = aws_vpc_endpoint.s3.prefix_list_id, security_group_id = null, cidr_ipv4 = null } },
    length(var.interface_endpoints) == 0 ? {} : {
      endpoints = { prefix_list_id = null, security_group_id = aws_security_group.endpoints[0].id, cidr_ipv4 = null }
    },
    var.nat_gateway ? { internet = { prefix_list_id = null, security_group_id = null, cidr_ipv4 = "0.0.0.0/0" } } : {},
  )
}
