# The least that works: a bucket whose events reach one virtual machine with `hilum serve`, results in a second bucket,
# rows in BigQuery. No cluster, no functions, no PostgreSQL. `terraform destroy` takes all of it away, objects included.

module "project" {
  source = "../../modules/project"

  project        = var.project
  name           = var.name
  apis           = ["artifactregistry.googleapis.com", "bigquery.googleapis.com", "bigquerystorage.googleapis.com", "cloudresourcemanager.googleapis.com", "compute.googleapis.com", "iap.googleapis.com", "logging.googleapis.com", "monitoring.googleapis.com", "pubsub.googleapis.com", "storage.googleapis.com"]
  audited        = ["bigquery.googleapis.com", "storage.googleapis.com"]
  audit_days     = 0
  audit_location = var.region
}

module "identities" {
  source = "../../modules/identities"

  project   = module.project.project
  name      = var.name
  accounts  = { engine = "Runs hilum serve." }
  logging   = ["engine"]
  measuring = ["engine"]
  tracing   = ["engine"]
  querying  = ["engine"]
}

module "buckets" {
  source = "../../modules/buckets"

  project          = module.project.project
  prefix           = "${var.project}-${var.name}"
  location         = var.region
  exporters        = var.exporters
  readers          = { engine = module.identities.members["engine"] }
  engine           = module.identities.members["engine"]
  noncurrent_days  = 7
  soft_delete_days = 7
  destroyable      = true
}

module "events" {
  source = "../../modules/events"

  project = module.project.project
  name    = var.name
  bucket  = module.buckets.incoming
  direct  = true
  regions = [var.region]
  engine  = module.identities.members["engine"]
}

module "warehouse" {
  source = "../../modules/warehouse"

  project     = module.project.project
  dataset     = replace(var.name, "-", "_")
  location    = var.region
  engine      = module.identities.members["engine"]
  readers     = var.readers
  destroyable = true
}

module "registry" {
  source = "../../modules/registry"

  project = module.project.project
  name    = var.name
  region  = var.region
  readers = { engine = module.identities.members["engine"] }
}

module "network" {
  source = "../../modules/network"

  project   = module.project.project
  name      = var.name
  region    = var.region
  ranges    = { nodes = "10.10.0.0/24" }
  shell_tag = "${var.name}-engine"
}

# The image is pushed between two applies: the first one makes the place for it.
module "machine" {
  source = "../../modules/machine"
  count  = var.image == "" ? 0 : 1

  project    = module.project.project
  name       = "${var.name}-engine"
  zone       = "${var.region}-${var.zone}"
  subnetwork = module.network.subnetwork
  account    = module.identities.emails["engine"]
  image      = "${module.registry.address}/${var.image}"
  watch      = "pubsub://${module.project.project}/${module.events.subscription_name}"

  environment = {
    HILUM_HOME         = "/var/lib/hilum"
    HILUM_STORE        = "gs://${module.buckets.results}/results"
    HILUM_WAREHOUSE    = "bigquery://${replace(module.warehouse.dataset, ".", "/")}?location=${var.region}"
    HILUM_DEAD_LETTERS = module.events.dead_letters
    HILUM_LOG_FORMAT   = "google"
  }
}

module "budget" {
  source = "../../modules/budget"
  count  = var.billing_account == "" ? 0 : 1

  billing_account = var.billing_account
  project_number  = data.google_project.this.number
  name            = "Hilum, trial"
  amount          = var.budget
}

data "google_project" "this" {
  project_id = module.project.project
}
