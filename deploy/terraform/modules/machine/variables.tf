variable "project" {
  description = "Id of the project."
  type        = string
}

variable "name" {
  description = "Name of the machine, and its network tag."
  type        = string
}

variable "zone" {
  description = "Where it is."
  type        = string
}

variable "machine" {
  description = "Its type."
  type        = string
  default     = "e2-standard-4"
}

variable "subnetwork" {
  description = "Id of its subnetwork."
  type        = string
}

variable "account" {
  description = "Address of the account that it acts as."
  type        = string
}

variable "image" {
  description = "Hilum's image, by digest."
  type        = string
}

variable "environment" {
  description = "Hilum's settings, as variables HILUM_*."
  type        = map(string)
}

variable "watch" {
  description = "What is watched: pubsub://PROJECT/SUBSCRIPTION."
  type        = string
}

variable "home_size" {
  description = "Size of the disk for the home, GB."
  type        = number
  default     = 50
}

variable "key" {
  description = "The key that encrypts the disks; empty: Google's own."
  type        = string
  default     = ""
}

variable "labels" {
  description = "Labels of machine and disk."
  type        = map(string)
  default     = {}
}
