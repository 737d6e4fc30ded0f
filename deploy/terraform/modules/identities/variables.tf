variable "project" {
  description = "Id of the project."
  type        = string
}

variable "name" {
  description = "What the names of the accounts begin with."
  type        = string
}

variable "accounts" {
  description = "Accounts to make, each with what it is for."
  type        = map(string)
}

variable "logging" {
  description = "Accounts that write logs."
  type        = set(string)
  default     = []
}

variable "measuring" {
  description = "Accounts that write metrics."
  type        = set(string)
  default     = []
}

variable "tracing" {
  description = "Accounts that write traces."
  type        = set(string)
  default     = []
}

variable "querying" {
  description = "Accounts that run jobs in BigQuery."
  type        = set(string)
  default     = []
}

variable "workloads" {
  description = "Accounts that a Kubernetes service account acts as: account to namespace/name."
  type        = map(string)
  default     = {}
}
