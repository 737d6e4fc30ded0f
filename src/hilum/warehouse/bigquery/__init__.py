"""The warehouse in BigQuery: the same tables and views, written by the Storage Write API. See docs/adr/0011."""
