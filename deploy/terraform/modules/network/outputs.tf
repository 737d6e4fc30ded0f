output "network" {
  description = "Id of the network, once services can be given addresses in it."
  value       = google_compute_network.this.id
  depends_on  = [google_service_networking_connection.services]
}

output "subnetwork" {
  description = "Id of the subnetwork."
  value       = google_compute_subnetwork.this.id
}
