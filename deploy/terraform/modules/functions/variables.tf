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

variable "topic" {
  description = "Full name of the topic of arrivals."
  type        = string
}

variable "dead_letters" {
  description = "Full name of the topic of dead letters."
  type        = string
}

variable "archives" {
  description = "Zip files with the sources of intake and sweep, of what `make functions` builds."
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

variable "intake_instances" {
  description = "Most instances of the intake function."
  type        = number
  default     = 20
}

variable "sweep_window" {
  description = "Age of the oldest objects that a sweep tells of: longer than the time between two sweeps."
  type        = string
  default     = "26h"
}

variable "sweep_schedule" {
  description = "When the sweep runs, as cron writes it, in UTC."
  type        = string
  default     = "17 3 * * *"
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
