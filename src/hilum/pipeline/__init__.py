"""Pipelines: declared in a file or in code, checked as a whole, resolved into a plan. Reads files, runs nothing."""
