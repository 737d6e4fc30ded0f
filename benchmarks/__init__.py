"""The figures: each module prints some, `python -m benchmarks` all of them beside the machine."""
