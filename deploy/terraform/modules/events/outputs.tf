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

output "dead_letters_kept" {
  description = "Name of the subscription that keeps dead letters."
  value       = google_pubsub_subscription.dead_letters.name
}

output "subscription_name" {
  description = "Name of the engine's subscription."
  value       = google_pubsub_subscription.arrivals.name
}
