# Two Cloud Functions (2nd gen), both built from Hilum's own package: `intake` reads the header of each new object and
# sends one arrival, so that header reading scales without servers; `sweep` tells of objects whose event may have been
# lost. Why each number is what it is stands in functions/intake/README.md and functions/sweep/README.md.

locals {
  functions = {
    intake = {
      memory      = "1Gi"
      concurrency = 32
      instances   = var.intake_instances
      timeout     = 120
      environment = {
        HILUM_ARRIVALS     = var.topic
        HILUM_DEAD_LETTERS = var.dead_letters
        HILUM_TELEMETRY    = "google"
        THREADS            = "32" # as many as requests at once
        # Its spans go straight to Cloud Trace, with its own account: there is no collector beside a function.
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = "https://telemetry.googleapis.com/v1/traces"
        OTEL_RESOURCE_ATTRIBUTES           = "gcp.project_id=${var.project}"
      }
    }
    sweep = {
      memory      = "512Mi"
      concurrency = 1
      instances   = 1
      timeout     = 1800
      environment = {
        HILUM_BUCKET   = "gs://${var.bucket}"
        HILUM_ARRIVALS = var.topic
        HILUM_WINDOW   = var.sweep_window
      }
    }
  }
}

# Sources of functions hold no patient data; they are made again by uploading them.
resource "google_storage_bucket" "sources" {
  #checkov:skip=CKV_GCP_62:reads and writes are in Cloud Audit Logs (module project), as Google recommends over access logs
  project                     = var.project
  name                        = "${var.prefix}-functions"
  location                    = var.region
  labels                      = var.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  versioning {
    enabled = true
  }

  dynamic "encryption" {
    for_each = var.key == "" ? [] : [var.key]
    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      num_newer_versions = 10
      with_state         = "ARCHIVED"
    }
  }
}

resource "google_storage_bucket_object" "source" {
  for_each = local.functions

  bucket = google_storage_bucket.sources.name
  # The name follows from the content, so that a changed source is a changed function.
  name   = "${each.key}-${filemd5(var.archives[each.key])}.zip"
  source = var.archives[each.key]
}

# Why: the build reads a function's source.
resource "google_storage_bucket_iam_member" "build" {
  bucket = google_storage_bucket.sources.name
  role   = "roles/storage.objectViewer"
  member = var.accounts["build"].member
}

# Why: the build pushes a function's image to this one repository.
resource "google_artifact_registry_repository_iam_member" "build" {
  project    = var.project
  location   = var.region
  repository = var.repository
  role       = "roles/artifactregistry.writer"
  member     = var.accounts["build"].member
}

resource "google_cloudfunctions2_function" "this" {
  for_each = local.functions

  project      = var.project
  name         = "${var.name}-${each.key}"
  location     = var.region
  labels       = var.labels
  kms_key_name = var.key == "" ? null : var.key

  build_config {
    runtime           = "python312"
    entry_point       = each.key
    service_account   = var.accounts["build"].id
    docker_repository = "projects/${var.project}/locations/${var.region}/repositories/${var.repository}"

    source {
      storage_source {
        bucket = google_storage_bucket.sources.name
        object = google_storage_bucket_object.source[each.key].name
      }
    }
  }

  service_config {
    available_cpu                    = "1" # more than one request at once takes a whole one
    available_memory                 = each.value.memory
    timeout_seconds                  = each.value.timeout
    min_instance_count               = 0
    max_instance_count               = each.value.instances
    max_instance_request_concurrency = each.value.concurrency
    ingress_settings                 = "ALLOW_INTERNAL_ONLY" # Eventarc and Cloud Scheduler count as internal
    service_account_email            = var.accounts[each.key].email
    environment_variables            = each.value.environment
  }

  dynamic "event_trigger" {
    for_each = each.key == "intake" ? [var.bucket] : []
    content {
      event_type            = "google.cloud.storage.object.v1.finalized"
      trigger_region        = var.bucket_location
      retry_policy          = "RETRY_POLICY_RETRY"
      service_account_email = var.accounts["trigger"].email

      event_filters {
        attribute = "bucket"
        value     = event_trigger.value
      }
    }
  }

  depends_on = [
    google_storage_bucket_iam_member.build,
    google_artifact_registry_repository_iam_member.build,
    google_project_iam_member.trigger,
    google_project_iam_member.storage_tells,
  ]
}

# Why: Eventarc's trigger calls the intake function as this account, which can do nothing else but that.
resource "google_cloud_run_v2_service_iam_member" "trigger" {
  project  = var.project
  location = var.region
  name     = google_cloudfunctions2_function.this["intake"].name
  role     = "roles/run.invoker"
  member   = var.accounts["trigger"].member
}

# Why: Cloud Scheduler calls the sweep as the same account.
resource "google_cloud_run_v2_service_iam_member" "scheduler" {
  project  = var.project
  location = var.region
  name     = google_cloudfunctions2_function.this["sweep"].name
  role     = "roles/run.invoker"
  member   = var.accounts["trigger"].member
}

# Why: a trigger receives events of the project's Cloud Storage; there is no smaller place to allow it on.
resource "google_project_iam_member" "trigger" {
  project = var.project
  role    = "roles/eventarc.eventReceiver"
  member  = var.accounts["trigger"].member
}

data "google_storage_project_service_account" "agent" {
  project = var.project
}

# Why: Eventarc's events of Cloud Storage travel through a topic that Eventarc makes, and the bucket's agent publishes
# to it; the topic does not exist before the trigger.
resource "google_project_iam_member" "storage_tells" {
  project = var.project
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${data.google_storage_project_service_account.agent.email_address}"
}

resource "google_cloud_scheduler_job" "sweep" {
  project          = var.project
  name             = "${var.name}-sweep"
  region           = var.region
  description      = "Finds objects whose event was lost."
  schedule         = var.sweep_schedule
  time_zone        = "Etc/UTC"
  attempt_deadline = "1800s"

  retry_config {
    retry_count = 1
  }

  http_target {
    uri         = google_cloudfunctions2_function.this["sweep"].service_config[0].uri
    http_method = "POST"

    oidc_token {
      service_account_email = var.accounts["trigger"].email
      audience              = google_cloudfunctions2_function.this["sweep"].service_config[0].uri
    }
  }
}
