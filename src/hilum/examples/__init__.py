"""Pipelines and steps of one's own, to copy and change: `hilum demo` puts them beside its scans and runs them."""
