variable "project" {
  description = "Id of the project."
  type        = string
}

variable "dataset" {
  description = "Name of the dataset."
  type        = string
}

variable "location" {
  description = "Where the dataset is; it cannot be moved."
  type        = string
}

variable "key" {
  description = "The key that encrypts tables; empty: Google's own."
  type        = string
  default     = ""
}

variable "engine" {
  description = "The engine, as policies write members."
  type        = string
}

variable "readers" {
  description = "Who may ask, as policies write members, under names of your choice."
  type        = map(string)
  default     = {}
}

variable "destroyable" {
  description = "Whether `terraform destroy` deletes the dataset with its tables."
  type        = bool
  default     = false
}

variable "labels" {
  description = "Labels of the dataset."
  type        = map(string)
  default     = {}
}
