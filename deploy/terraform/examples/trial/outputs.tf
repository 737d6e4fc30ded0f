output "incoming" {
  description = "Where to copy DICOM to."
  value       = "gs://${module.buckets.incoming}"
}

output "results" {
  description = "Where results are."
  value       = "gs://${module.buckets.results}/results"
}

output "warehouse" {
  description = "The dataset."
  value       = module.warehouse.dataset
}

output "registry" {
  description = "What the names of images begin with."
  value       = module.registry.address
}

output "subscription" {
  description = "The engine's subscription."
  value       = module.events.subscription
}

output "machine" {
  description = "Names of the machine, if it is there."
  value       = [for each in module.machine : each.name]
}
