"""Checks of the Terraform configuration that need neither Google's provider nor a project: the provider's schema, the
graph of references, policies, secrets. Terraform's own `validate` and `plan` need the provider and are not run here.
"""
