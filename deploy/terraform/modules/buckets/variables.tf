variable "project" {
  description = "Id of the project."
  type        = string
}

variable "prefix" {
  description = "What the names of the buckets begin with; bucket names are shared by the whole world."
  type        = string
}

variable "location" {
  description = "A region, or a pair of them such as EUR4."
  type        = string
}

variable "key" {
  description = "The key that encrypts objects; empty: Google's own."
  type        = string
  default     = ""
}

variable "incoming_class_days" {
  description = "Days after which an incoming object changes its storage class, by class."
  type        = map(number)
  default     = {}
}

variable "noncurrent_days" {
  description = "Days that replaced and deleted versions are kept."
  type        = number
  default     = 30
}

variable "soft_delete_days" {
  description = "Days in which a deleted object or bucket can be restored; 0 switches it off, else 7 to 90."
  type        = number
  default     = 7
}

variable "exporters" {
  description = "Who may add objects to the incoming bucket, as policies write members."
  type        = map(string)
}

variable "readers" {
  description = "Who reads what arrives, as policies write members."
  type        = map(string)
}

variable "engine" {
  description = "The engine, as policies write members."
  type        = string
}

variable "destroyable" {
  description = "Whether `terraform destroy` deletes a bucket that holds objects."
  type        = bool
  default     = false
}

variable "labels" {
  description = "Labels of the buckets."
  type        = map(string)
  default     = {}
}
