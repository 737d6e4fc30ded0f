output "names" {
  description = "Names of the functions."
  value       = { for name, function in google_cloudfunctions2_function.this : name => function.name }
}
