# Where steps run: a private GKE cluster. With Autopilot Google makes nodes as pods ask for them, of spot machines and
# with GPUs, too; else there are pools, each with a label, a taint and a lower bound of zero.

resource "google_container_cluster" "this" {
  #checkov:skip=CKV_GCP_12:Dataplane V2 enforces network policies; the old switch is for Calico and must be off
  #checkov:skip=CKV_GCP_61:Autopilot always has it and refuses the argument; pools get it below
  #checkov:skip=CKV_GCP_65:takes a group of a Google Workspace domain, which not everybody has; name it in groups
  project             = var.project
  name                = var.name
  location            = var.region
  network             = var.network
  subnetwork          = var.subnetwork
  resource_labels     = merge({ component = "cluster" }, var.labels)
  deletion_protection = var.protected

  enable_autopilot         = var.autopilot ? true : null
  remove_default_node_pool = var.autopilot ? null : true
  initial_node_count       = var.autopilot ? null : 1
  datapath_provider        = "ADVANCED_DATAPATH" # enforces network policies
  # Autopilot always has these and refuses the arguments.
  enable_shielded_nodes       = var.autopilot ? null : true
  enable_intranode_visibility = var.autopilot ? null : true

  release_channel {
    channel = "REGULAR"
  }

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = true
  }

  # People and CI reach the control plane by its name, which asks IAM who they are; addresses are not enough.
  control_plane_endpoints_config {
    dns_endpoint_config {
      allow_external_traffic = true
    }
  }

  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.authorized
      content {
        display_name = cidr_blocks.key
        cidr_block   = cidr_blocks.value
      }
    }
  }

  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }

  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }

  # Roles of Kubernetes can then be given to groups.
  dynamic "authenticator_groups_config" {
    for_each = var.groups == "" ? [] : [var.groups]
    content {
      security_group = authenticator_groups_config.value
    }
  }

  # Kubernetes' Secrets, the short-lived credentials of attempts among them, under our own key.
  dynamic "database_encryption" {
    for_each = var.key == "" ? [] : [var.key]
    content {
      state    = "ENCRYPTED"
      key_name = database_encryption.value
    }
  }

  binary_authorization {
    evaluation_mode = "PROJECT_SINGLETON_POLICY_ENFORCE"
  }

  security_posture_config {
    mode               = "BASIC"
    vulnerability_mode = "VULNERABILITY_BASIC"
  }

  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "WORKLOADS"]
  }

  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS"]
    managed_prometheus {
      enabled = true
    }
  }

  cost_management_config {
    enabled = true
  }

  maintenance_policy {
    recurring_window {
      start_time = "2026-01-03T01:00:00Z"
      end_time   = "2026-01-03T07:00:00Z"
      recurrence = "FREQ=WEEKLY;BYDAY=SA,SU"
    }
  }

  # Autopilot's nodes act as this account. Image streaming is always on there.
  dynamic "cluster_autoscaling" {
    for_each = var.autopilot ? [var.nodes] : []
    content {
      auto_provisioning_defaults {
        service_account   = cluster_autoscaling.value
        oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]
        boot_disk_kms_key = var.key == "" ? null : var.key
      }
    }
  }

  # The first pool is deleted at once, and yet its nodes must not act as the project's default account.
  dynamic "node_config" {
    for_each = var.autopilot ? [] : [var.nodes]
    content {
      service_account   = node_config.value
      boot_disk_kms_key = var.key == "" ? null : var.key

      workload_metadata_config {
        mode = "GKE_METADATA"
      }

      shielded_instance_config {
        enable_secure_boot          = true
        enable_integrity_monitoring = true
      }
    }
  }
}

resource "google_container_node_pool" "this" {
  #checkov:skip=CKV_GCP_68:on for every pool without GPUs; Google installs unsigned drivers where it is off
  for_each = var.autopilot ? {} : var.pools

  project        = var.project
  name           = each.key
  cluster        = google_container_cluster.this.name
  location       = var.region
  node_locations = each.value.zones

  autoscaling {
    total_min_node_count = each.value.least
    total_max_node_count = each.value.most
    location_policy      = each.value.spot ? "ANY" : "BALANCED"
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  node_config {
    machine_type      = each.value.machine
    disk_type         = "pd-balanced"
    disk_size_gb      = each.value.disk
    image_type        = "COS_CONTAINERD"
    spot              = each.value.spot
    service_account   = var.nodes
    oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]
    boot_disk_kms_key = var.key == "" ? null : var.key
    labels            = { pool = each.key }
    resource_labels   = var.labels
    metadata          = { disable-legacy-endpoints = "true" }

    # A container starts before its image is all there; images have to be in Artifact Registry.
    gcfs_config {
      enabled = true
    }

    # Pods see GKE's metadata server, never the node's account.
    workload_metadata_config {
      mode = "GKE_METADATA"
    }

    shielded_instance_config {
      enable_secure_boot          = each.value.gpus == 0 # Google's driver installer needs it off
      enable_integrity_monitoring = true
    }

    dynamic "guest_accelerator" {
      for_each = each.value.gpus == 0 ? [] : [each.value]
      content {
        type  = guest_accelerator.value.gpu
        count = guest_accelerator.value.gpus

        gpu_driver_installation_config {
          gpu_driver_version = "DEFAULT"
        }
      }
    }

    dynamic "taint" {
      for_each = each.value.tainted ? [each.key] : []
      content {
        key    = "pool"
        value  = taint.value
        effect = "NO_SCHEDULE"
      }
    }
  }

  lifecycle {
    ignore_changes = [initial_node_count]
  }
}

# Why: kubelet and agents of a node write logs and metrics; pods cannot use this account.
resource "google_project_iam_member" "nodes" {
  project = var.project
  role    = "roles/container.defaultNodeServiceAccount"
  member  = "serviceAccount:${var.nodes}"
}
