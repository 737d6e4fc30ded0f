"""Writes the published schemas anew; a test holds them to the models."""

from __future__ import annotations

from hilum.steps.contracts.schemas import FOLDER, schemas, text

for name, schema in schemas().items():
    (FOLDER / name).write_text(text(schema))
