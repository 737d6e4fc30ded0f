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
  description = "Kubernetes service accounts that act as an account: namespace/name to account."
  type        = map(string)
  default     = {}
}

variable "pool" {
  description = "The cluster's pool of workload identities; empty where there is no cluster."
  type        = string
  default     = ""
}
