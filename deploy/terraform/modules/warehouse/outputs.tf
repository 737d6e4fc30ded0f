output "dataset" {
  description = "The dataset as project.dataset."
  value       = "${var.project}.${google_bigquery_dataset.this.dataset_id}"
}
