output "downspout" {
  description = "All outputs of the deployment."
  value       = module.downspout
}

output "next_steps" {
  description = "What to do after the first apply."
  value       = module.downspout.next_steps
}
