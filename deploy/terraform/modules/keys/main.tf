# One key for everything that holds patient data. Whoever may disable it can make all of it unreadable at once.

data "google_project" "this" {
  project_id = var.project
}

# Making a bucket or a dataset with a key needs the service's agent to be there and allowed first.
data "google_storage_project_service_account" "agent" {
  project = var.project
}

data "google_bigquery_default_service_account" "agent" {
  project = var.project
}

locals {
  domains = {
    pubsub    = "gcp-sa-pubsub"
    sql       = "gcp-sa-cloud-sql"
    registry  = "gcp-sa-artifactregistry"
    gke       = "container-engine-robot"
    compute   = "compute-system"
    functions = "gcf-admin-robot"
    run       = "serverless-robot-prod"
    eventarc  = "gcp-sa-eventarc"
  }
  agents = merge(
    {
      storage  = data.google_storage_project_service_account.agent.email_address
      bigquery = data.google_bigquery_default_service_account.agent.email
    },
    {
      for name, domain in local.domains :
      name => "service-${data.google_project.this.number}@${domain}.iam.gserviceaccount.com"
    },
  )
}

resource "google_kms_key_ring" "this" {
  project  = var.project
  name     = var.name
  location = var.location
}

resource "google_kms_crypto_key" "data" {
  name            = "data"
  key_ring        = google_kms_key_ring.this.id
  purpose         = "ENCRYPT_DECRYPT"
  rotation_period = "7776000s" # 90 days; older versions go on decrypting
  labels          = var.labels

  lifecycle {
    # Without the key every backup is lost as well.
    prevent_destroy = true
  }
}

# Why: Google's services encrypt and decrypt on our behalf; people and Hilum's identities never touch the key.
resource "google_kms_crypto_key_iam_member" "agents" {
  for_each = { for name, email in local.agents : name => email if contains(var.services, name) }

  crypto_key_id = google_kms_crypto_key.data.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${each.value}"
}
