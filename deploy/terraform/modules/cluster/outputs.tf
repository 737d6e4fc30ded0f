output "name" {
  description = "Name of the cluster."
  value       = google_container_cluster.this.name
}

output "pool" {
  description = "The pool of workload identities."
  value       = google_container_cluster.this.workload_identity_config[0].workload_pool
}
