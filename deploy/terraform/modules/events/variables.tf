variable "project" {
  description = "Id of the project."
  type        = string
}

variable "name" {
  description = "What the names of topics and subscriptions begin with."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket that objects arrive in."
  type        = string
}

variable "direct" {
  description = "Whether the bucket itself tells the engine of new objects; false where the intake function does."
  type        = bool
}

variable "regions" {
  description = "Regions that messages may be stored in."
  type        = list(string)
}

variable "key" {
  description = "The key that encrypts messages; empty: Google's own."
  type        = string
  default     = ""
}

variable "attempts" {
  description = "Deliveries after which a message is a dead letter, 5 to 100."
  type        = number
  default     = 10
}

variable "engine" {
  description = "The engine, as policies write members."
  type        = string
}

variable "publishers" {
  description = "Functions that send arrivals, as policies write members."
  type        = map(string)
  default     = {}
}

variable "refusers" {
  description = "Who puts messages aside beside the engine, as policies write members."
  type        = map(string)
  default     = {}
}

variable "labels" {
  description = "Labels of topics and subscriptions."
  type        = map(string)
  default     = {}
}
