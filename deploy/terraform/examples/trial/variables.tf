variable "project" {
  description = "Id of a project with billing."
  type        = string
}

variable "region" {
  description = "Where everything is."
  type        = string
}

variable "zone" {
  description = "Letter of the machine's zone."
  type        = string
  default     = "b"
}

variable "name" {
  description = "What the names of everything begin with."
  type        = string
  default     = "hilum"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,14}$", var.name))
    error_message = "Lower-case letters, digits and hyphens, 3 to 15 of them: account ids have at most 30."
  }
}

variable "image" {
  description = "Hilum's image in the repository, hilum@sha256:...; empty: there is no machine yet."
  type        = string
  default     = ""
}

variable "exporters" {
  description = "Who may add objects, such as { me = \"user:someone@example.org\" }."
  type        = map(string)
}

variable "readers" {
  description = "Who may ask in SQL, such as { me = \"user:someone@example.org\" }."
  type        = map(string)
  default     = {}
}

variable "billing_account" {
  description = "Id of the billing account, for a budget; empty: none."
  type        = string
  default     = ""
}

variable "budget" {
  description = "What a month may cost, in US dollars."
  type        = number
  default     = 200
}
