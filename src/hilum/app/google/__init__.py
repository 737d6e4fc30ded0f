"""What `hilum doctor --google` looks at: whether a live project on Google Cloud is what Hilum needs.

Each check is a function of what was deployed and of a way to ask Google's APIs; it changes nothing, and needs no more
rights than an engine has, or says which it lacks.
"""

from hilum.app.google.doctor import examine

__all__ = ["examine"]
