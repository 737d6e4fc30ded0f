variable "project" {
  description = "Id of the project."
  type        = string
}

variable "name" {
  description = "What the names of the functions begin with."
  type        = string
}

variable "prefix" {
  description = "What the name of the bucket with the sources begins with."
  type        = string
}

variable "region" {
  description = "Where the functions run."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket that objects arrive in."
  type        = string
}

variable "bucket_location" {
  description = "The bucket's location in lower case: a trigger is where its bucket is."
  type        = string
}

variable "archives" {
  description = "Files with the sources of intake and sweep: what tools in functions/ pack."
  type        = map(string)
}

variable "accounts" {
  description = "The accounts intake, sweep, trigger and build."
  type        = map(object({ id = string, email = string, member = string }))
}

variable "repository" {
  description = "Id of the repository of Artifact Registry that builds push to."
  type        = string
}

variable "intake_environment" {
  description = "Environment variables of the intake function."
  type        = map(string)
}

variable "sweep_environment" {
  description = "Environment variables of the sweep."
  type        = map(string)
}

variable "intake_memory" {
  description = "Memory of an instance of the intake function."
  type        = string
  default     = "512Mi"
}

variable "intake_concurrency" {
  description = "Requests at once in an instance of the intake function."
  type        = number
  default     = 16
}

variable "intake_instances" {
  description = "Most instances of the intake function."
  type        = number
  default     = 20
}

variable "sweep_memory" {
  description = "Memory of the sweep."
  type        = string
  default     = "1Gi"
}

variable "sweep_schedule" {
  description = "When the sweep runs, as cron writes it, in UTC."
  type        = string
  default     = "17 * * * *"
}

variable "subnetwork" {
  description = "Id of the subnetwork from which functions reach the ledger; empty: they do not."
  type        = string
  default     = ""
}

variable "key" {
  description = "The key that encrypts sources and functions; empty: Google's own."
  type        = string
  default     = ""
}

variable "labels" {
  description = "Labels of functions and trigger."
  type        = map(string)
  default     = {}
}
