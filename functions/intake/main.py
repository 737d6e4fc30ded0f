"""The function ``intake``, as the platform loads it; see README.md. What it does is in ``hilum.functions.intake``."""

import functions_framework

from hilum.functions.intake import handler

intake = functions_framework.cloud_event(handler())
