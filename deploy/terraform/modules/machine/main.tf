# One virtual machine that runs `hilum serve` from its image, for a trial. A machine rather than Cloud Run: the engine
# always runs, its ledger is a file that has to stay, and Landlock, which keeps steps from writing elsewhere, takes a
# kernel of one's own.

resource "google_compute_disk" "home" {
  project = var.project
  name    = "${var.name}-home"
  zone    = var.zone
  type    = "pd-balanced"
  size    = var.home_size
  labels  = var.labels

  dynamic "disk_encryption_key" {
    for_each = var.key == "" ? [] : [var.key]
    content {
      kms_key_self_link = disk_encryption_key.value
    }
  }
}

resource "google_compute_instance" "engine" {
  project                   = var.project
  name                      = var.name
  zone                      = var.zone
  machine_type              = var.machine
  labels                    = var.labels
  tags                      = [var.name]
  allow_stopping_for_update = true

  boot_disk {
    kms_key_self_link = var.key == "" ? null : var.key
    initialize_params {
      image = "projects/cos-cloud/global/images/family/cos-stable"
      size  = 30
    }
  }

  attached_disk {
    source            = google_compute_disk.home.self_link
    device_name       = "home"
    kms_key_self_link = var.key == "" ? null : var.key
  }

  # No address of its own: Google's APIs are reached privately, people by Identity-Aware Proxy.
  network_interface {
    subnetwork = var.subnetwork
  }

  service_account {
    email  = var.account
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  metadata = {
    block-project-ssh-keys = "TRUE"
    enable-oslogin         = "TRUE"
    google-logging-enabled = "true"
    user-data = templatefile("${path.module}/cloud-init.yaml", {
      image       = var.image
      registry    = split("/", var.image)[0]
      environment = var.environment
      watch       = var.watch
    })
  }
}
