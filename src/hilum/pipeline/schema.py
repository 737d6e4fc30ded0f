"""The JSON Schema of pipeline files, for editors that complete and check while one writes. It knows the shape; what
only the registry and the DICOM dictionary know, ``hilum validate`` tells.
"""

from __future__ import annotations

from typing import Any

from hilum.pipeline.document import Pipeline
from hilum.pipeline.quantities import DURATION, MEMORY


def pipeline_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a pipeline file."""
    schema = Pipeline.model_json_schema(by_alias=True)
    _write_defaults(schema)
    schema["properties"]["steps"]["additionalProperties"] = False  # names other than the pattern's
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Hilum pipeline"}


def _write_defaults(schema: Any) -> None:
    """Defaults of times and sizes as a file would write them, not as the model holds them."""
    if isinstance(schema, list):
        for item in schema:
            _write_defaults(item)
    elif isinstance(schema, dict):
        default = schema.get("default")
        if schema.get("pattern") == DURATION and default:
            schema["default"] = f"{default / 60:g}m" if default >= 300 else f"{default:g}s"
        elif schema.get("pattern") == MEMORY and default:
            schema["default"] = f"{default / (1 << 30):g}Gi"
        elif isinstance(default, dict):
            del schema["default"]  # a whole object: its own properties say theirs
        for item in schema.values():
            _write_defaults(item)
