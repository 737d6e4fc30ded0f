output "instance" {
  description = "The instance as the proxy names it: project:region:name."
  value       = google_sql_database_instance.this.connection_name
}

output "urls" {
  description = "Addresses of the ledger through a proxy beside the program, by account. There is no password in them."
  value = {
    for name, user in google_sql_user.this :
    name => "postgresql+psycopg://${urlencode(user.name)}@127.0.0.1:5432/${google_sql_database.hilum.name}"
  }
}
