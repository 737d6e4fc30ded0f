# A network of its own without a way in. Google's APIs are reached privately; the way out exists only where it is asked
# for, because neither Hilum nor its pods need one once images are in Artifact Registry.

resource "google_compute_network" "this" {
  project                 = var.project
  name                    = var.name
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "this" {
  project                  = var.project
  name                     = var.name
  network                  = google_compute_network.this.id
  region                   = var.region
  ip_cidr_range            = var.ranges.nodes
  private_ip_google_access = true

  dynamic "secondary_ip_range" {
    for_each = { for name in ["pods", "services"] : name => var.ranges[name] if var.ranges[name] != null }
    content {
      range_name    = secondary_ip_range.key
      ip_cidr_range = secondary_ip_range.value
    }
  }

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# Shells for people go through Identity-Aware Proxy, which asks who they are.
resource "google_compute_firewall" "shell" {
  count = var.shell_tag == "" ? 0 : 1

  project       = var.project
  name          = "${var.name}-shell"
  network       = google_compute_network.this.id
  direction     = "INGRESS"
  source_ranges = ["35.235.240.0/20"] # Identity-Aware Proxy's own
  target_tags   = [var.shell_tag]

  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}

# Cloud SQL and other services of Google get addresses from here.
resource "google_compute_global_address" "services" {
  count = var.service_access ? 1 : 0

  project       = var.project
  name          = "${var.name}-services"
  network       = google_compute_network.this.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
}

resource "google_service_networking_connection" "services" {
  count = var.service_access ? 1 : 0

  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services[0].name]
}

resource "google_compute_router" "this" {
  count = var.way_out ? 1 : 0

  project = var.project
  name    = var.name
  network = google_compute_network.this.id
  region  = var.region
}

resource "google_compute_router_nat" "this" {
  count = var.way_out ? 1 : 0

  project                            = var.project
  name                               = var.name
  router                             = google_compute_router.this[0].name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}
