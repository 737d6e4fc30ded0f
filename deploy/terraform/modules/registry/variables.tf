variable "project" {
  description = "Id of the project."
  type        = string
}

variable "name" {
  description = "Id of the repository."
  type        = string
}

variable "region" {
  description = "Where it is; image streaming takes the cluster's region."
  type        = string
}

variable "readers" {
  description = "Who pulls images, as policies write members."
  type        = map(string)
}

variable "key" {
  description = "The key that encrypts images; empty: Google's own."
  type        = string
  default     = ""
}

variable "labels" {
  description = "Labels of the repository."
  type        = map(string)
  default     = {}
}
