output "repository" {
  description = "Id of the repository, once its readers may pull."
  value       = google_artifact_registry_repository.this.repository_id
  depends_on  = [google_artifact_registry_repository_iam_member.readers]
}

output "address" {
  description = "What the names of images begin with."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.this.repository_id}"
}
