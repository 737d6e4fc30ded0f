# The ledger: PostgreSQL without an address on the Internet and without a password. The engine logs in as its own
# identity through the Cloud SQL Auth Proxy, which runs beside it.

resource "google_sql_database_instance" "this" {
  #checkov:skip=CKV_GCP_109:a statement that fails would be logged with values of headers in it
  project             = var.project
  name                = var.name
  region              = var.region
  database_version    = "POSTGRES_18"
  encryption_key_name = var.key == "" ? null : var.key
  deletion_protection = var.protected

  settings {
    tier                        = var.tier
    edition                     = "ENTERPRISE"
    availability_type           = var.available ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = 10
    disk_autoresize             = true
    deletion_protection_enabled = var.protected
    connector_enforcement       = "REQUIRED" # nobody talks to it but through the proxy
    user_labels                 = var.labels

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network
      ssl_mode        = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED" # the proxy has one
    }

    backup_configuration {
      enabled                        = true
      location                       = var.backup_location
      start_time                     = "02:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = 30
      }
    }

    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled = true
    }

    database_flags {
      name  = "cloudsql.iam_authentication"
      value = "on"
    }

    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }

    database_flags {
      name  = "pgaudit.log"
      value = "role,ddl" # who may what, and tables
    }

    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }

    database_flags {
      name  = "log_connections"
      value = "on"
    }

    database_flags {
      name  = "log_disconnections"
      value = "on"
    }

    database_flags {
      name  = "log_duration"
      value = "on"
    }

    database_flags {
      name  = "log_hostname"
      value = "on"
    }

    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }

    database_flags {
      name  = "log_min_duration_statement"
      value = "-1" # statements may hold values of headers
    }

    database_flags {
      name  = "log_min_error_statement"
      value = "panic" # so may those that fail
    }

    database_flags {
      name  = "log_min_messages"
      value = "warning"
    }

    database_flags {
      name  = "log_statement"
      value = "ddl"
    }

    database_flags {
      name  = "log_temp_files"
      value = "0"
    }
  }
}

resource "google_sql_database" "hilum" {
  project  = var.project
  name     = "hilum"
  instance = google_sql_database_instance.this.name
  # Nothing is lost when it is taken out of Terraform's state by mistake.
  deletion_policy = "ABANDON"
}

# Hilum makes its own tables. The instance holds nothing else, so it may own everything in it; PostgreSQL lets nobody
# else make tables in a database since version 15.
resource "google_sql_user" "this" {
  for_each = var.accounts

  project        = var.project
  instance       = google_sql_database_instance.this.name
  type           = "CLOUD_IAM_SERVICE_ACCOUNT"
  name           = trimsuffix(each.value.email, ".gserviceaccount.com")
  database_roles = ["cloudsqlsuperuser"]
}

# Why: the proxy asks where the instance is and gets a certificate for it; Cloud SQL has no smaller place for this.
resource "google_project_iam_member" "client" {
  for_each = var.accounts

  project = var.project
  role    = "roles/cloudsql.client"
  member  = each.value.member
}

# Why: logging in as one's own identity instead of with a password.
resource "google_project_iam_member" "user" {
  for_each = var.accounts

  project = var.project
  role    = "roles/cloudsql.instanceUser"
  member  = each.value.member
}
