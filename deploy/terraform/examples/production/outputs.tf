output "incoming" {
  description = "Where exports are written to."
  value       = "gs://${module.buckets.incoming}"
}

output "registry" {
  description = "What the names of images begin with."
  value       = module.registry.address
}

output "cluster" {
  description = "Name of the cluster."
  value       = module.cluster.name
}

output "functions" {
  description = "Names of the functions."
  value       = module.functions.names
}

output "budget" {
  description = "Resource name of the budget."
  value       = module.budget.name
}

output "values" {
  description = "Values for Hilum's chart; they go on top of deploy/helm/hilum/values-gke.yaml."
  value = yamlencode({
    image = {
      repository = "${module.registry.address}/${split("@", var.image)[0]}"
      digest     = split("@", var.image)[1]
    }
    ledger = { url = module.ledger.urls["engine"] }
    cloudSql = {
      instance = module.ledger.instance
    }
    store = { bucket = "gs://${module.buckets.results}/results" }
    # Traces that the intake function begins go on in the engine. Its metrics are scraped instead.
    engine = { telemetry = "otlp" }
    env = {
      HILUM_DEAD_LETTERS                 = module.events.dead_letters
      HILUM_WAREHOUSE                    = "bigquery://${replace(module.warehouse.dataset, ".", "/")}?location=${var.region}"
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = "https://telemetry.googleapis.com/v1/traces"
      OTEL_METRICS_EXPORTER              = "none"
      OTEL_RESOURCE_ATTRIBUTES           = "gcp.project_id=${var.project}"
    }
    subscriptions  = ["pubsub://${var.project}/${module.events.subscription_name}"]
    serviceAccount = { annotations = { "iam.gke.io/gcp-service-account" = module.identities.emails["engine"] } }
  })
}
