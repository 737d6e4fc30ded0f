variable "project" {
  description = "Id of the project."
  type        = string
}

variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "region" {
  description = "Where the cluster is."
  type        = string
}

variable "network" {
  description = "Id of the network."
  type        = string
}

variable "subnetwork" {
  description = "Id of the subnetwork, which has the secondary ranges pods and services."
  type        = string
}

variable "nodes" {
  description = "Address of the account that nodes act as."
  type        = string
}

variable "autopilot" {
  description = "Whether Google makes nodes as pods ask for them."
  type        = bool
  default     = true
}

variable "pools" {
  description = "Pools of nodes, where it is not Autopilot's business."
  type = map(object({
    machine = string
    least   = optional(number, 0)
    most    = number
    spot    = optional(bool, false)
    tainted = optional(bool, true)
    gpu     = optional(string)
    gpus    = optional(number, 0)
    disk    = optional(number, 100)
    zones   = optional(list(string))
  }))
  default = {
    engine = { machine = "e2-standard-4", least = 1, most = 3, tainted = false }
    cpu    = { machine = "n2-standard-8", most = 20, spot = true }
    gpu    = { machine = "g2-standard-8", most = 4, spot = true, gpu = "nvidia-l4", gpus = 1 }
  }
}

variable "authorized" {
  description = "Ranges inside the network that reach the control plane by address, under names of your choice."
  type        = map(string)
  default     = {}
}

variable "groups" {
  description = "The group gke-security-groups@DOMAIN, whose groups can be given roles of Kubernetes; empty: none."
  type        = string
  default     = ""
}

variable "key" {
  description = "The key that encrypts Secrets and disks; empty: Google's own."
  type        = string
  default     = ""
}

variable "protected" {
  description = "Whether Terraform refuses to delete the cluster."
  type        = bool
  default     = true
}

variable "labels" {
  description = "Labels of cluster and nodes."
  type        = map(string)
  default     = {}
}
