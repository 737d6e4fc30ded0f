output "project" {
  description = "Id of the project, once its APIs are on: what is made of it comes after."
  value       = var.project
  depends_on  = [google_project_service.used]
}
