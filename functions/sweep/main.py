"""The function ``sweep``, as the platform loads it; see README.md. What it does is in ``hilum.functions.sweep``."""

from typing import Any

import functions_framework

from hilum.functions.sweep import handler

handle = handler()


@functions_framework.http
def sweep(request: Any) -> Any:
    """The scheduler calls."""
    return handle(request)
