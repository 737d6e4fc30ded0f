output "emails" {
  description = "Addresses of the accounts by name."
  value       = { for name, account in google_service_account.this : name => account.email }
}

output "members" {
  description = "The accounts by name, as policies write them."
  value       = { for name, account in google_service_account.this : name => account.member }
}

output "accounts" {
  description = "The accounts by name."
  value = {
    for name, account in google_service_account.this :
    name => { id = account.id, email = account.email, member = account.member }
  }
}
