"""The function ``intake``, as the platform loads it; see README.md. What it does is in ``hilum.functions.intake``."""

from typing import Any

import functions_framework

from hilum.functions.intake import handler

handle = handler()


@functions_framework.cloud_event
def intake(event: Any) -> None:
    """An object was finalized."""
    handle(event)
