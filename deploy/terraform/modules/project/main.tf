# The project's switches: the APIs that are used, and who read patient data when.

resource "google_project_service" "used" {
  for_each = var.apis

  project = var.project
  service = each.value
  # Somebody else in the project may use it.
  disable_on_destroy = false
}

# 45 CFR 164.312(b): reads of what holds patient data are written down, too. Writes always are.
resource "google_project_iam_audit_config" "reads" {
  for_each = var.audited

  project = var.project
  service = each.value

  dynamic "audit_log_config" {
    for_each = toset(["ADMIN_READ", "DATA_READ", "DATA_WRITE"])
    content {
      log_type = audit_log_config.value
    }
  }
}

# Data access logs are kept for 30 days by default; HIPAA's documentation is to be kept for six years (164.316(b)(2)).
resource "google_logging_project_bucket_config" "audit" {
  count = var.audit_days > 0 ? 1 : 0

  project        = var.project
  location       = var.audit_location
  bucket_id      = "${var.name}-audit"
  description    = "Hilum's audit events and Google's data access logs"
  retention_days = var.audit_days
}

resource "google_logging_project_sink" "audit" {
  count = var.audit_days > 0 ? 1 : 0

  project                = var.project
  name                   = "${var.name}-audit"
  destination            = "logging.googleapis.com/${google_logging_project_bucket_config.audit[0].id}"
  filter                 = var.audit_filter
  unique_writer_identity = true
}
