# Two Cloud Functions (2nd gen), both built from Hilum's own package: `intake` reads the header of each new object and
# sends one arrival, so that header reading scales without servers; `sweep` looks for objects whose event was lost.
# Eventarc's trigger is made here rather than by the function, so that it has an identity of its own.

locals {
  functions = {
    intake = {
      memory      = var.intake_memory
      concurrency = var.intake_concurrency
      instances   = var.intake_instances
      timeout     = 60
      account     = var.accounts["intake"]
      environment = var.intake_environment
    }
    sweep = {
      memory      = var.sweep_memory
      concurrency = 1
      instances   = 1 # two sweeps at once find the same
      timeout     = 1800
      account     = var.accounts["sweep"]
      environment = var.sweep_environment
    }
  }
}

# Sources of functions hold no patient data; they are made again by uploading them.
resource "google_storage_bucket" "sources" {
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
    available_cpu                    = "1"
    available_memory                 = each.value.memory
    timeout_seconds                  = each.value.timeout
    min_instance_count               = 0
    max_instance_count               = each.value.instances
    max_instance_request_concurrency = each.value.concurrency
    # Eventarc and Cloud Scheduler count as internal.
    ingress_settings      = "ALLOW_INTERNAL_ONLY"
    service_account_email = each.value.account.email
    environment_variables = each.value.environment

    dynamic "direct_vpc_network_interface" {
      for_each = var.subnetwork == "" ? [] : [var.subnetwork]
      content {
        subnetwork = direct_vpc_network_interface.value
      }
    }
    direct_vpc_egress = var.subnetwork == "" ? null : "VPC_EGRESS_PRIVATE_RANGES_ONLY"
  }

  depends_on = [
    google_storage_bucket_iam_member.build,
    google_artifact_registry_repository_iam_member.build,
  ]
}

# Why: Eventarc's trigger calls the intake function as this account, which can do nothing else.
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

resource "google_eventarc_trigger" "intake" {
  project         = var.project
  name            = "${var.name}-intake"
  location        = var.bucket_location
  service_account = var.accounts["trigger"].email
  labels          = var.labels

  matching_criteria {
    attribute = "type"
    value     = "google.cloud.storage.object.v1.finalized"
  }

  matching_criteria {
    attribute = "bucket"
    value     = var.bucket
  }

  destination {
    cloud_run_service {
      service = google_cloudfunctions2_function.this["intake"].name
      region  = var.region
    }
  }

  depends_on = [
    google_project_iam_member.trigger,
    google_project_iam_member.storage_tells,
    google_cloud_run_v2_service_iam_member.trigger,
  ]
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
