variable "project" {
  description = "Id of the project."
  type        = string
}

variable "name" {
  description = "Name of network and subnetwork."
  type        = string
}

variable "region" {
  description = "Where the subnetwork is."
  type        = string
}

variable "ranges" {
  description = "Addresses of nodes, and of pods and services where there is a cluster."
  type        = object({ nodes = string, pods = optional(string), services = optional(string) })
}

variable "service_access" {
  description = "Whether services such as Cloud SQL get addresses in the network."
  type        = bool
  default     = false
}

variable "way_out" {
  description = "Whether machines without an address of their own reach the Internet (Cloud NAT)."
  type        = bool
  default     = false
}

variable "shell_tag" {
  description = "Tag of machines that people reach by SSH through Identity-Aware Proxy; empty: none."
  type        = string
  default     = ""
}
