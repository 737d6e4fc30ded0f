variable "billing_account" {
  description = "Id of the billing account, XXXXXX-XXXXXX-XXXXXX."
  type        = string
}

variable "project_number" {
  description = "Number of the project."
  type        = string
}

variable "name" {
  description = "Name of the budget."
  type        = string
}

variable "amount" {
  description = "What a month may cost, whole units of the currency."
  type        = number
}

variable "currency" {
  description = "The billing account's currency."
  type        = string
  default     = "USD"
}

variable "channels" {
  description = "Ids of Cloud Monitoring's channels that are told; beside them the billing account's administrators are."
  type        = list(string)
  default     = []
}
