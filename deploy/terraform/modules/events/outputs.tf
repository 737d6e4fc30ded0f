output "topic" {
  description = "Full name of the topic of arrivals."
  value       = google_pubsub_topic.this["arrivals"].id
}

output "dead_letters" {
  description = "Full name of the topic of dead letters."
  value       = google_pubsub_topic.this["dead-letters"].id
}

output "subscription" {
  description = "Full name of the engine's subscription."
  value       = google_pubsub_subscription.arrivals.id
}
