# The state names everything and holds no secret; keep it in a bucket of its own all the same:
#   terraform init -backend-config=bucket=STATE_BUCKET
terraform {
  backend "gcs" {
    prefix = "hilum"
  }
}

provider "google" {
  project = var.project
  region  = var.region

  default_labels = { app = "hilum" }
}
