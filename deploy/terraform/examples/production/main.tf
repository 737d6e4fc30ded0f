# All of it: functions read headers, a private cluster runs steps, the ledger is in Cloud SQL, everything that holds
# patient data is under one key, reads are logged and kept, alerts reach people. The engine itself is installed with
# Hilum's Helm chart, of which the output `values` is the configuration.

locals {
  engine = module.identities.members["engine"]
}

module "project" {
  source = "../../modules/project"

  project        = var.project
  name           = var.name
  audit_location = var.region
  audited        = ["bigquery.googleapis.com", "cloudkms.googleapis.com", "cloudsql.googleapis.com", "pubsub.googleapis.com", "storage.googleapis.com"]
  apis = [
    "artifactregistry.googleapis.com",
    "bigquery.googleapis.com",
    "bigquerystorage.googleapis.com",
    "billingbudgets.googleapis.com",
    "binaryauthorization.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudkms.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "cloudtrace.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "containerscanning.googleapis.com",
    "eventarc.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "servicenetworking.googleapis.com",
    "sqladmin.googleapis.com",
    "storage.googleapis.com",
    "sts.googleapis.com",
    "telemetry.googleapis.com",
  ]
}

module "keys" {
  source = "../../modules/keys"

  project  = module.project.project
  name     = var.name
  location = var.region
  services = ["storage", "bigquery", "pubsub", "sql", "registry", "gke", "compute", "functions", "run", "eventarc"]
}

module "identities" {
  source = "../../modules/identities"

  project = module.project.project
  name    = var.name
  accounts = {
    engine  = "Runs hilum serve on the cluster."
    intake  = "Reads headers of new objects."
    sweep   = "Looks for objects whose event was lost."
    trigger = "Calls the functions."
    build   = "Builds the functions' images."
    nodes   = "What nodes of the cluster act as."
  }
  logging   = ["engine", "intake", "sweep", "build"]
  measuring = ["engine"]
  tracing   = ["engine", "intake", "sweep"]
  querying  = ["engine"]
  # The cluster makes the pool that these names are in.
  pool = module.cluster.pool
  workloads = {
    "${var.namespace}/hilum"         = "engine"
    "${var.namespace}/hilum-migrate" = "engine"
  }
}

module "buckets" {
  source = "../../modules/buckets"

  project             = module.project.project
  prefix              = "${var.project}-${var.name}"
  location            = var.region
  key                 = module.keys.data
  incoming_class_days = { NEARLINE = 90, COLDLINE = 365 }
  exporters           = var.exporters
  engine              = local.engine
  readers = {
    engine = local.engine
    intake = module.identities.members["intake"]
    sweep  = module.identities.members["sweep"]
  }
}

module "events" {
  source = "../../modules/events"

  project    = module.project.project
  name       = var.name
  bucket     = module.buckets.incoming
  direct     = false
  regions    = [var.region]
  key        = module.keys.data
  engine     = local.engine
  publishers = { intake = module.identities.members["intake"], sweep = module.identities.members["sweep"] }
  refusers   = { intake = module.identities.members["intake"] }
}

module "registry" {
  source = "../../modules/registry"

  project = module.project.project
  name    = var.name
  region  = var.region
  key     = module.keys.data
  readers = { engine = local.engine, nodes = module.identities.members["nodes"] }
}

module "functions" {
  source = "../../modules/functions"

  project         = module.project.project
  name            = var.name
  prefix          = "${var.project}-${var.name}"
  region          = var.region
  bucket          = module.buckets.incoming
  bucket_location = lower(var.region)
  topic           = module.events.topic
  dead_letters    = module.events.dead_letters
  archives        = var.functions
  accounts        = module.identities.accounts
  repository      = module.registry.repository
  key             = module.keys.data
}

module "warehouse" {
  source = "../../modules/warehouse"

  project  = module.project.project
  dataset  = replace(var.name, "-", "_")
  location = var.region
  key      = module.keys.data
  engine   = local.engine
  readers  = var.readers
}

module "network" {
  source = "../../modules/network"

  project        = module.project.project
  name           = var.name
  region         = var.region
  ranges         = { nodes = "10.20.0.0/22", pods = "10.24.0.0/14", services = "10.28.0.0/20" }
  service_access = true
}

module "cluster" {
  source = "../../modules/cluster"

  project    = module.project.project
  name       = var.name
  region     = var.region
  network    = module.network.network
  subnetwork = module.network.subnetwork
  nodes      = module.identities.emails["nodes"]
  autopilot  = var.autopilot
  authorized = var.authorized
  key        = module.keys.data
  protected  = var.protected
}

module "ledger" {
  source = "../../modules/ledger"

  project         = module.project.project
  name            = var.name
  region          = var.region
  network         = module.network.network
  backup_location = var.backup_location
  key             = module.keys.data
  protected       = var.protected
  accounts        = { engine = module.identities.accounts["engine"] }
}

module "monitoring" {
  source = "../../modules/monitoring"

  project      = module.project.project
  definitions  = "${path.module}/../../../monitoring"
  mails        = var.mails
  dead_letters = module.events.dead_letters_kept
}

data "google_project" "this" {
  project_id = module.project.project
}

module "budget" {
  source = "../../modules/budget"

  billing_account = var.billing_account
  project_number  = data.google_project.this.number
  name            = "Hilum, production"
  amount          = var.budget
  channels        = module.monitoring.channels
}
