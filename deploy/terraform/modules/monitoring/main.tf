# Dashboard and alert policies, from the files in deploy/monitoring that Hilum's own tests prove: each alert's condition
# is made true there, and each has a runbook. Conditions ask Managed Service for Prometheus.

locals {
  alerts = {
    for file in fileset("${var.definitions}/alerts", "*.json") :
    trimsuffix(file, ".json") => jsondecode(file("${var.definitions}/alerts/${file}"))
  }
}

resource "google_monitoring_notification_channel" "mail" {
  for_each = var.mails

  project      = var.project
  display_name = "Hilum: ${each.key}"
  type         = "email"
  labels       = { email_address = each.value }
}

resource "google_monitoring_dashboard" "this" {
  project        = var.project
  dashboard_json = file("${var.definitions}/dashboard.json")
}

resource "google_monitoring_alert_policy" "this" {
  for_each = local.alerts

  project               = var.project
  display_name          = each.value.displayName
  combiner              = each.value.combiner
  severity              = each.value.severity
  user_labels           = each.value.userLabels
  notification_channels = [for channel in google_monitoring_notification_channel.mail : channel.id]

  documentation {
    content   = each.value.documentation.content
    mime_type = each.value.documentation.mimeType
  }

  dynamic "conditions" {
    for_each = each.value.conditions
    content {
      display_name = conditions.value.displayName

      condition_prometheus_query_language {
        query               = conditions.value.conditionPrometheusQueryLanguage.query
        duration            = conditions.value.conditionPrometheusQueryLanguage.duration
        evaluation_interval = conditions.value.conditionPrometheusQueryLanguage.evaluationInterval
        rule_group          = conditions.value.conditionPrometheusQueryLanguage.ruleGroup
        alert_rule          = conditions.value.conditionPrometheusQueryLanguage.alertRule
        # The metrics are there only once an engine has run.
        disable_metric_validation = true
      }
    }
  }

  alert_strategy {
    auto_close = each.value.alertStrategy.autoClose
  }
}

# A message in the dead letters is an object that nobody works on.
resource "google_monitoring_alert_policy" "dead_letters" {
  project               = var.project
  display_name          = "Hilum: Dead letters"
  combiner              = "OR"
  severity              = "WARNING"
  user_labels           = { app = "hilum" }
  notification_channels = [for channel in google_monitoring_notification_channel.mail : channel.id]

  documentation {
    content   = "Messages lie in the dead letters. Pull one without acknowledging it; the attribute `reason` says why."
    mime_type = "text/markdown"
  }

  conditions {
    display_name = "Dead letters"

    condition_threshold {
      filter          = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${var.dead_letters}\" AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "300s"

      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }
}
