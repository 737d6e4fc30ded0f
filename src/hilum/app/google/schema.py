"""Whether the warehouse's tables are those that this version of Hilum writes to. Columns that headers brought are no
drift: a table may have more than it has to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hilum.engine.doctor import Finding, Health
from hilum.warehouse.bigquery.address import Dataset
from hilum.warehouse.bigquery.client import DatasetClient
from hilum.warehouse.bigquery.schema import Field, physical, schema_of
from hilum.warehouse.bigquery.views import views
from hilum.warehouse.tables import TABLES


def schema_drift(dataset: Dataset) -> Iterator[Finding]:
    """What is lacking, or is of another type, or of another version."""
    client = DatasetClient(dataset)
    try:
        there = client.listed()
        if not there:
            yield _of(
                Health.WARNING, "the dataset has no tables yet", "the engine makes them with its first rows"
            )
            return
        for table in TABLES.values():
            name = physical(table.name)
            if name not in there:
                yield _of(Health.ERROR, f"{name} is not there", "`hilum query` makes it; its rows are lost")
                continue
            for said in differences(schema_of(table, dataset.nesting), client.schema(name)):
                yield _of(Health.ERROR, f"{name}: {said}", "restore the table, or name another dataset")
        for view in views(dataset):
            if there.get(view.name) != view.mark:
                yield _of(
                    Health.WARNING, f"{view.name} is not of this version", "the next engine makes it anew"
                )
    finally:
        client.close()


def differences(wanted: Sequence[Field], found: Sequence[Field], above: str = "") -> Iterator[str]:
    """Columns of one schema that another lacks or has otherwise, those in records with their path."""
    known = {field["name"].lower(): field for field in found}
    for field in wanted:
        name = above + field["name"]
        other = known.get(field["name"].lower())
        if other is None:
            yield f"the column {name} is lacking"
        elif (other["type"], other["mode"]) != (field["type"], field["mode"]):
            yield (
                f"the column {name} is {other['mode']} {other['type']}, not {field['mode']} {field['type']}"
            )
        elif field["type"] == "RECORD":
            yield from differences(field["fields"], other["fields"], f"{name}.")


def _of(health: Health, message: str, mend: str) -> Finding:
    return Finding("schema", health, message, mend)
