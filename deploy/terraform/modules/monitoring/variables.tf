variable "project" {
  description = "Id of the project."
  type        = string
}

variable "definitions" {
  description = "The folder deploy/monitoring."
  type        = string
}

variable "mails" {
  description = "Who is told, by mail, under names of your choice."
  type        = map(string)
}

variable "dead_letters" {
  description = "Name of the subscription that keeps dead letters."
  type        = string
}
