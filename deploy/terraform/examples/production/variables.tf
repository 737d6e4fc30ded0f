variable "project" {
  description = "Id of a project with billing, of which nothing else is made."
  type        = string
}

variable "region" {
  description = "Where everything is."
  type        = string
}

variable "name" {
  description = "What the names of everything begin with."
  type        = string
  default     = "hilum"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,14}$", var.name))
    error_message = "Lower-case letters, digits and hyphens, 3 to 15 of them: account ids have at most 30."
  }
}

variable "namespace" {
  description = "The namespace that the chart is installed in."
  type        = string
  default     = "imaging"
}

variable "autopilot" {
  description = "Whether Google makes nodes as pods ask for them, or there are pools."
  type        = bool
  default     = true
}

variable "authorized" {
  description = "Ranges inside the network that reach the control plane by address; by name IAM decides."
  type        = map(string)
  default     = {}
}

variable "exporters" {
  description = "Who may add objects, as policies write members, such as the identity of the scanner's gateway."
  type        = map(string)
}

variable "readers" {
  description = "Who may ask in SQL, as policies write members."
  type        = map(string)
  default     = {}
}

variable "functions" {
  description = "Zip files of build/functions/intake and build/functions/sweep."
  type        = map(string)
  default = {
    intake = "../../../../build/functions/intake.zip"
    sweep  = "../../../../build/functions/sweep.zip"
  }
}

variable "image" {
  description = "Hilum's image in the repository: hilum@sha256:..."
  type        = string
  default     = "hilum@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}

variable "backup_location" {
  description = "Where backups of the ledger are, such as eu or us: another place than the region."
  type        = string
}

variable "mails" {
  description = "Who is told of alerts, by mail, under names of your choice."
  type        = map(string)
}

variable "billing_account" {
  description = "Id of the billing account."
  type        = string
}

variable "budget" {
  description = "What a month may cost, in US dollars."
  type        = number
}

variable "protected" {
  description = "Whether Terraform refuses to delete the cluster and the ledger."
  type        = bool
  default     = true
}
