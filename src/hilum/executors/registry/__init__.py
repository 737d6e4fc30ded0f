"""Images in a registry: what a reference means there, for executors whose machines pull for themselves.

It speaks the OCI distribution protocol with the standard library alone. A kept client would bring its own HTTP
library and know nothing of what is needed most here: single files out of layers, without pulling the image.
"""

from hilum.executors.registry.images import RegistryImages

__all__ = ["RegistryImages"]
