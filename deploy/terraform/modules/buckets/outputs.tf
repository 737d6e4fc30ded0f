output "incoming" {
  description = "Name of the bucket that objects arrive in."
  value       = google_storage_bucket.this["incoming"].name
}

output "results" {
  description = "Name of the bucket that results are written to."
  value       = google_storage_bucket.this["results"].name
}
