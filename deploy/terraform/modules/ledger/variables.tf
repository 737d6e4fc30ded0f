variable "project" {
  description = "Id of the project."
  type        = string
}

variable "name" {
  description = "Name of the instance. It cannot be used again for a week after it was deleted."
  type        = string
}

variable "region" {
  description = "Where the instance is."
  type        = string
}

variable "network" {
  description = "Id of the network that it gets an address in."
  type        = string
}

variable "tier" {
  description = "Its machine."
  type        = string
  default     = "db-custom-2-7680"
}

variable "available" {
  description = "Whether a second one in another zone takes over."
  type        = bool
  default     = true
}

variable "backup_location" {
  description = "Where backups are: a region or a pair of them; another one than the instance's survives it."
  type        = string
}

variable "accounts" {
  description = "Who uses the ledger."
  type        = map(object({ email = string, member = string }))
}

variable "key" {
  description = "The key that encrypts it; empty: Google's own."
  type        = string
  default     = ""
}

variable "protected" {
  description = "Whether Terraform and Google refuse to delete it."
  type        = bool
  default     = true
}

variable "labels" {
  description = "Labels of the instance."
  type        = map(string)
  default     = {}
}
