"""JSON Schemas of the native contract's documents, published beside this file for authors who write in other
languages. They follow from the models; ``python -m hilum.steps.contracts.schemas`` writes them anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from hilum.steps.contracts.native import NativeContext
from hilum.steps.contracts.reported import Reports

FOLDER = Path(__file__).parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """The schemas by file name."""
    return {
        "context.schema.json": {
            "$schema": DIALECT,
            **TypeAdapter(NativeContext).json_schema(mode="serialization"),
            "title": "context.json of Hilum's native contract",
        },
        "measurements.schema.json": {
            "$schema": DIALECT,
            **Reports.json_schema(),
            "title": "measurements.json of Hilum's native contract",
        },
    }


def text(schema: dict[str, Any]) -> str:
    """A schema as its file has it."""
    return json.dumps(schema, indent=2) + "\n"
