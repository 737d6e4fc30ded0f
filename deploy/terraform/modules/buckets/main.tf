# Two buckets: what arrives, and what is made of it. Both refuse to be public and have one way of saying who may what.

locals {
  buckets = {
    incoming = { class = var.incoming_class_days }
    results  = { class = {} }
  }
}

resource "google_storage_bucket" "this" {
  #checkov:skip=CKV_GCP_62:reads and writes are in Cloud Audit Logs (module project), as Google recommends over access logs
  for_each = local.buckets

  project                     = var.project
  name                        = "${var.prefix}-${each.key}"
  location                    = var.location
  labels                      = var.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.destroyable

  # An object that somebody deletes or replaces can be had back for a while.
  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 86400
  }

  dynamic "encryption" {
    for_each = var.key == "" ? [] : [var.key]
    content {
      default_kms_key_name = encryption.value
    }
  }

  # No rule deletes what is current: Hilum would find results missing, and instances are read where they are.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = var.noncurrent_days
      with_state                 = "ARCHIVED"
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }

  # Instances are read when they arrive, and again only for a backfill.
  dynamic "lifecycle_rule" {
    for_each = each.value.class
    content {
      action {
        type          = "SetStorageClass"
        storage_class = lifecycle_rule.key
      }
      condition {
        age = lifecycle_rule.value
      }
    }
  }
}

# Why: whoever exports may add objects and neither read nor replace what is there.
resource "google_storage_bucket_iam_member" "exporters" {
  for_each = var.exporters

  bucket = google_storage_bucket.this["incoming"].name
  role   = "roles/storage.objectCreator"
  member = each.value
}

# Why: headers are read, instances are staged, and a sweep lists; nothing of it is ever changed.
resource "google_storage_bucket_iam_member" "readers" {
  for_each = var.readers

  bucket = google_storage_bucket.this["incoming"].name
  role   = "roles/storage.objectViewer"
  member = each.value
}

# Why: the engine creates, reads and lists results, and discards those of an attempt that came second.
resource "google_storage_bucket_iam_member" "results" {
  bucket = google_storage_bucket.this["results"].name
  role   = "roles/storage.objectUser"
  member = var.engine
}

# Why: `hilum doctor --google` compares the bucket's notifications with what they should be (storage.buckets.get).
resource "google_storage_bucket_iam_member" "looks" {
  bucket = google_storage_bucket.this["incoming"].name
  role   = "roles/storage.legacyBucketReader"
  member = var.engine
}
