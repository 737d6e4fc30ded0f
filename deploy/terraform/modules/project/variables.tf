variable "project" {
  description = "Id of the project."
  type        = string
}

variable "name" {
  description = "What the names of everything begin with."
  type        = string
}

variable "apis" {
  description = "APIs to switch on."
  type        = set(string)
}

variable "audited" {
  description = "Services of which reads are logged as well."
  type        = set(string)
}

variable "audit_days" {
  description = "Days that audit logs are kept in a bucket of their own; 0: there is none, and Google keeps them 30 days."
  type        = number
  default     = 2192
}

variable "audit_location" {
  description = "Where audit logs are kept."
  type        = string
}

variable "audit_filter" {
  description = "Which log entries are kept."
  type        = string
  default     = "log_id(\"cloudaudit.googleapis.com/data_access\") OR log_id(\"cloudaudit.googleapis.com/activity\") OR log_id(\"hilum-audit\")"
}
