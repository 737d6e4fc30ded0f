output "channels" {
  description = "Ids of the channels."
  value       = [for channel in google_monitoring_notification_channel.mail : channel.id]
}
