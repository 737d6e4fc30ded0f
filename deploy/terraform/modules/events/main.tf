# How the engine learns of objects: the bucket says what happened, a subscription keeps it until the engine has written
# it down, and what nobody can use goes to a topic of dead letters where people find it.

data "google_project" "this" {
  project_id = var.project
}

data "google_storage_project_service_account" "agent" {
  project = var.project
}

locals {
  pubsub = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  # With the intake function, arrivals come from it, and the bucket tells only of what the function does not see.
  told = concat(
    var.direct ? ["OBJECT_FINALIZE"] : [],
    ["OBJECT_DELETE", "OBJECT_ARCHIVE", "OBJECT_METADATA_UPDATE"],
  )
}

resource "google_pubsub_topic" "this" {
  for_each = toset(["arrivals", "dead-letters"])

  project                    = var.project
  name                       = "${var.name}-${each.value}"
  labels                     = var.labels
  kms_key_name               = var.key == "" ? null : var.key
  message_retention_duration = "604800s" # so that a subscription can be sought back by a week

  message_storage_policy {
    allowed_persistence_regions = var.regions
  }
}

resource "google_pubsub_subscription" "arrivals" {
  project = var.project
  name    = "${var.name}-arrivals"
  topic   = google_pubsub_topic.this["arrivals"].id
  labels  = var.labels
  # The engine acknowledges as soon as an arrival is in the ledger, so a minute is long.
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = "" # never: an engine may be away for longer than the default of 31 days
  }

  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.this["dead-letters"].id
    max_delivery_attempts = var.attempts
  }
}

# A topic without a subscription forgets; people look here.
resource "google_pubsub_subscription" "dead_letters" {
  project                    = var.project
  name                       = "${var.name}-dead-letters"
  topic                      = google_pubsub_topic.this["dead-letters"].id
  labels                     = var.labels
  ack_deadline_seconds       = 60
  message_retention_duration = "2678400s" # 31 days, the most there is

  expiration_policy {
    ttl = ""
  }
}

# Why: the bucket's notifications are published by Cloud Storage's own agent.
resource "google_pubsub_topic_iam_member" "storage_tells" {
  project = var.project
  topic   = google_pubsub_topic.this["arrivals"].name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${data.google_storage_project_service_account.agent.email_address}"
}

# Why: Pub/Sub's agent forwards what was delivered too often.
resource "google_pubsub_topic_iam_member" "pubsub_gives_up" {
  project = var.project
  topic   = google_pubsub_topic.this["dead-letters"].name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub
}

# Why: Pub/Sub's agent takes what it forwarded out of the subscription.
resource "google_pubsub_subscription_iam_member" "pubsub_gives_up" {
  project      = var.project
  subscription = google_pubsub_subscription.arrivals.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub
}

# Why: the engine takes arrivals.
resource "google_pubsub_subscription_iam_member" "engine" {
  project      = var.project
  subscription = google_pubsub_subscription.arrivals.name
  role         = "roles/pubsub.subscriber"
  member       = var.engine
}

# Why: `hilum doctor --google` looks at the subscription's settings, dead letters among them.
resource "google_pubsub_subscription_iam_member" "engine_looks" {
  project      = var.project
  subscription = google_pubsub_subscription.arrivals.name
  role         = "roles/pubsub.viewer"
  member       = var.engine
}

# Why: `hilum doctor --google` sees whether somebody keeps the dead letters.
resource "google_pubsub_topic_iam_member" "engine_looks" {
  project = var.project
  topic   = google_pubsub_topic.this["dead-letters"].name
  role    = "roles/pubsub.viewer"
  member  = var.engine
}

# Why: messages that nobody can use are put aside with a reason, by the engine and by the intake function.
resource "google_pubsub_topic_iam_member" "put_aside" {
  for_each = merge({ engine = var.engine }, var.refusers)

  project = var.project
  topic   = google_pubsub_topic.this["dead-letters"].name
  role    = "roles/pubsub.publisher"
  member  = each.value
}

# Why: the intake function sends arrivals with their headers, and the sweep those that were lost.
resource "google_pubsub_topic_iam_member" "publishers" {
  for_each = var.publishers

  project = var.project
  topic   = google_pubsub_topic.this["arrivals"].name
  role    = "roles/pubsub.publisher"
  member  = each.value
}

resource "google_storage_notification" "arrivals" {
  bucket         = var.bucket
  topic          = google_pubsub_topic.this["arrivals"].id
  payload_format = "JSON_API_V1"
  event_types    = local.told

  depends_on = [google_pubsub_topic_iam_member.storage_tells]
}
