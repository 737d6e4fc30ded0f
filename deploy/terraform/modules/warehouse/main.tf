# The dataset. Its tables and views are made by Hilum, which alone knows their columns and adds new ones.

resource "google_bigquery_dataset" "this" {
  project                    = var.project
  dataset_id                 = var.dataset
  location                   = var.location
  labels                     = var.labels
  friendly_name              = "Hilum"
  description                = "Headers, runs, artifacts, measurements, lineage and audit. Append-only; ask the views."
  max_time_travel_hours      = "168"
  storage_billing_model      = "PHYSICAL" # headers compress well
  delete_contents_on_destroy = var.destroyable

  dynamic "default_encryption_configuration" {
    for_each = var.key == "" ? [] : [var.key]
    content {
      kms_key_name = default_encryption_configuration.value
    }
  }
}

# Why: the engine makes tables and views, adds columns and appends rows.
resource "google_bigquery_dataset_iam_member" "engine" {
  project    = var.project
  dataset_id = google_bigquery_dataset.this.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = var.engine
}

# Why: people ask; they can change nothing.
resource "google_bigquery_dataset_iam_member" "readers" {
  for_each = var.readers

  project    = var.project
  dataset_id = google_bigquery_dataset.this.dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = each.value
}

# Why: a question is a job, and the project that pays for it allows it.
resource "google_project_iam_member" "readers" {
  for_each = var.readers

  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = each.value
}
