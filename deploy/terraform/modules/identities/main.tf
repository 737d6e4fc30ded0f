# Who acts: one service account for each program, no keys for any. Attempts have none: their pods get a token that is
# good for their own prefixes only (docs/adr/0012-credentials-of-attempts.md). What an account may do with one thing
# stands in the module of that thing; here is only what a project alone can give.

resource "google_service_account" "this" {
  for_each = var.accounts

  project      = var.project
  account_id   = "${var.name}-${each.key}"
  display_name = "Hilum: ${each.key}"
  description  = each.value
}

# Why: log entries are written to a project; there is no smaller place to allow it on.
resource "google_project_iam_member" "logs" {
  for_each = var.logging

  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.this[each.value].member
}

# Why: metrics are written to a project.
resource "google_project_iam_member" "metrics" {
  for_each = var.measuring

  project = var.project
  role    = "roles/monitoring.metricWriter"
  member  = google_service_account.this[each.value].member
}

# Why: spans of traces are written to a project.
resource "google_project_iam_member" "traces" {
  for_each = var.tracing

  project = var.project
  role    = "roles/cloudtrace.agent"
  member  = google_service_account.this[each.value].member
}

# Why: a query or load is a job of the project that pays for it; which tables it may touch the dataset says.
resource "google_project_iam_member" "jobs" {
  for_each = var.querying

  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.this[each.value].member
}

# Why: the pod's Kubernetes account acts as this one (Workload Identity), so that no key exists.
resource "google_service_account_iam_member" "workload" {
  for_each = var.workloads

  service_account_id = google_service_account.this[each.value].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.pool}[${each.key}]"
}
