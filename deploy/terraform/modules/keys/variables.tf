variable "project" {
  description = "Id of the project."
  type        = string
}

variable "name" {
  description = "Name of the key ring. Key rings cannot be deleted, so it is taken for ever."
  type        = string
}

variable "location" {
  description = "Where the key is: where everything is that it encrypts."
  type        = string
}

variable "services" {
  description = "Services that use the key, by the names in main.tf."
  type        = set(string)
}

variable "labels" {
  description = "Labels of the key."
  type        = map(string)
  default     = {}
}
