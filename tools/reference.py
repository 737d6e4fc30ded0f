"""Writes docs/reference from the code, so that it cannot say anything else than the code does.

``python tools/reference.py`` writes the pages; ``--check`` writes nothing and fails if one is not as it would be.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_access
import google_costs
from markdown import as_markdown, table
from reference_source import python, reasons

if TYPE_CHECKING:
    from hilum.steps.api import Measure, Step

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
WRITTEN_BY = "<!-- Written by `make docs`; change the code instead. -->\n"


def logs() -> str:
    """Which fields a log line can have."""
    from hilum.kernel.disclosure import FIELDS

    rows = [(f"`{name}`", shape) for name, shape in sorted(FIELDS.items())]
    return f"""# Fields of a log line

Every line has `timestamp` (UTC, ISO 8601), `level`, `logger` (the module) and `event` (constant words). Beside them
it can have the fields below, if their values have the shape given. A field that is not in this list, or whose value
has another shape, is left out, and its name is listed under `refused`.

{table(("field", "shape"), rows)}
An exception stands under `error`: `kind` (its class), `frames` (`file:line:function`, innermost last), `cause`
(the same again), `errno` for the operating system's errors; `reason` and `message` for Hilum's own errors alone.
Records and warnings of libraries keep their logger, their `place` (file and line) and their class, never their text.
"""


def metrics() -> str:
    """Every instrument."""
    from hilum.ops.instruments import BUCKETS, INSTRUMENTS

    rows = [
        (
            f"`{each.name}`",
            f"`{each.prometheus}`",
            each.kind,
            f"`{each.unit}`",
            ", ".join(f"`{name}`" for name in each.attributes),
            "home" if each.ledger else "engine",
            each.about,
        )
        for each in INSTRUMENTS.values()
    ]
    head = ("OpenTelemetry", "Prometheus", "kind", "unit", "attributes", "of", "meaning")
    bounds = ", ".join(f"{bound:g}" for bound in BUCKETS)
    return f"""# Metrics

What an engine measures, under its name in OpenTelemetry and in Prometheus. Units are UCUM's. What is *of the home* is
asked of the ledger: every engine on it shows the same, and a restart forgets nothing. What is *of the engine* counts
from its start. [How to watch them](../how-to/observe.md).

{table(head, rows)}
Attributes are [fields of a log line](logs.md) and have values of their shape; any other value becomes `other`, an
empty one `none`. A histogram's buckets end at {bounds} seconds.
"""


def _built_in() -> list[Step]:
    from hilum.steps.registry import StepRegistry

    registry = StepRegistry()
    found = [registry.get(name) for name in registry.names()]
    return [step for step in found if step.package == "hilum"]


def steps() -> str:
    """What the built-in steps take and give."""
    parts = ["# Built-in steps\n\nWhat a pipeline's `uses` can name without installing anything else.\n"]
    for step in _built_in():
        parts.append(f"## {step.name}\n\n{as_markdown(inspect.getdoc(step.function) or '')}\n")
        parts.append(f"Version {step.version}.\n")
        schema = step.parameters.model_json_schema()
        rows = [
            (f"`{key}`", _type(entry), f"`{json.dumps(entry.get('default'))}`", entry.get("description", ""))
            for key, entry in schema.get("properties", {}).items()
        ]
        if rows:
            parts.append("Parameters:\n\n" + table(("name", "type", "default", "meaning"), rows))
        outputs = [
            (f"`{each.name}`", f"`{each.path}`", each.media_type, "yes" if each.required else "no")
            for each in step.outputs
        ]
        if outputs:
            parts.append("Outputs:\n\n" + table(("name", "file", "type", "always"), outputs))
        if step.measurements:
            measured = [_measure(each) for each in step.measurements]
            parts.append("Measurements:\n\n" + table(("name", "kind", "unit", "code", "meaning"), measured))
    return "\n".join(parts)


def measurements() -> str:
    """Every measurement of the built-in steps with its code."""
    rows = [
        (f"`{step.name}.{each.name}`", *_measure(each)[1:])
        for step in _built_in()
        for each in step.measurements
    ]
    return f"""# Measurements

What `if` can ask about and what stands in the table `measurements`. Codes are DICOM's (DCM) or SNOMED CT's (SCT)
where they have one, else Hilum's own (99HILUM). Units are UCUM; where the unit depends on the images, as for
intensities, the row in the table has the true one.

{table(("name", "kind", "unit", "code", "meaning"), rows)}"""


def _measure(each: Measure) -> tuple[str, str, str, str, str]:
    code = f"{each.concept.value} ({each.concept.scheme})"
    return f"`{each.name}`", each.kind, f"`{each.unit}`", code, each.concept.meaning


def _type(entry: dict[str, Any]) -> str:
    """A JSON Schema's type in words, with its bounds."""
    if "$ref" in entry:
        return f"`{entry['$ref'].rpartition('/')[2]}`"
    if "enum" in entry:
        return " or ".join(f"`{value}`" for value in entry["enum"])
    if "anyOf" in entry:
        return " or ".join(dict.fromkeys(_type(choice) for choice in entry["anyOf"]))
    if "examples" in entry:
        return "such as " + ", ".join(f"`{example}`" for example in entry["examples"])
    bounds = [
        f"{sign} {entry[key]}"
        for key, sign in (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="))
        if key in entry
    ]
    return ", ".join([str(entry.get("type", "any")), *bounds])


def commands() -> str:
    """Every command with its options, as ``--help`` says it."""
    import click

    main = import_module("hilum.cli.main").hilum
    parts = ["# Commands\n\nExit codes: 0 all done, 1 something failed or was quarantined, 2 wrong use.\n"]

    def add(command: click.Command, name: str, parent: click.Context | None) -> None:
        context = click.Context(
            command, info_name=name, parent=parent, max_content_width=100, terminal_width=100
        )
        parts.append(f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n")
        if isinstance(command, click.Group):
            for each in command.list_commands(context):
                if (child := command.get_command(context, each)) and not child.hidden:
                    add(child, each, context)

    add(main, "hilum", None)
    return "\n".join(parts)


def settings() -> str:
    """What can be set, and where."""
    from hilum.settings import FILE, PREFIX, Settings

    about = _attributes(inspect.getdoc(Settings) or "")
    rows = [
        (f"`{each.name}`", f"`{PREFIX}{each.name.upper()}`", f"`{_toml(each.default)}`", about[each.name])
        for each in fields(Settings)
    ]
    return f"""# Settings

Keys of `{FILE}` in the home. A variable of the environment overrides the file, and a flag of the command line
overrides both. Lists in variables are parted by `:`. An unknown key is an error.

{table(("key", "variable", "default", "meaning"), rows)}
`HILUM_HOME` names the home where `--home` does not; without both it is `./.hilum`.
"""


def _toml(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _attributes(text: str) -> dict[str, str]:
    """The section "Attributes:" of a docstring, by name."""
    section = text.partition("Attributes:\n")[2]
    found = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", section, re.MULTILINE)
    return {name: as_markdown(" ".join(said.split())) for name, said in found}


def warehouse() -> str:
    """Every table and view with its columns."""
    from hilum.warehouse.local import LocalWarehouse
    from hilum.warehouse.tables import TABLES
    from hilum.warehouse.views import READY

    parts = [
        """# Tables and views

What `hilum query` can ask. Types are BigQuery's. A table is append-only: `all_<table>` is its whole history, and
the name itself shows the newest row of each key without what was retracted. `_row_id` and `_recorded_at` say which
row it is and when it was written.

`dicom_metadata` has a column for every keyword that a header had so far, named and typed as in the Google Healthcare
API's export and in Imaging Data Commons; those below are always there. Any other keyword can be asked for: it is
empty until a header has it. [SQL that was written for BigQuery](../how-to/bigquery.md) runs as it is.
"""
    ]
    for each in TABLES.values():
        rows = [
            (f"`{column.name}`", f"list of {column.type}" if column.repeated else column.type)
            for column in each.columns
            if not column.name.startswith("_")
        ]
        parts.append(f"## {each.name}\n\n{each.description}\n\n" + table(("column", "type"), rows))
    with tempfile.TemporaryDirectory() as folder:
        empty = LocalWarehouse(Path(folder))
        for view in READY.values():
            columns = ", ".join(
                f"`{name}`" for name in empty.query(f"SELECT * FROM {view.name}").column_names
            )
            parts.append(f"## {view.name}\n\n{view.description}\n\nA view. Columns: {columns}.\n")
    return "\n".join(parts)


def pipeline() -> str:
    """Every field of a pipeline file."""
    from hilum.pipeline.document import Pipeline

    schema = Pipeline.model_json_schema(by_alias=True)
    parts = [
        "# Pipeline files\n\nWhat a pipeline file can say. Editors check it against the "
        "[JSON Schema](pipeline.schema.json). How to use it: [Write pipelines](../how-to/pipelines.md).\n"
    ]
    for name, model in {"Pipeline": schema, **schema["$defs"]}.items():
        if "properties" not in model:
            continue
        required = model.get("required", [])
        rows = [
            (
                f"`{key}`",
                _type(_resolved(entry, schema)),
                "required" if key in required else _default(entry),
                entry.get("description", ""),
            )
            for key, entry in model["properties"].items()
        ]
        about = model.get("description", "").split("\n\n")[0]
        parts.append(
            f"## {name}\n\n{as_markdown(about)}\n\n" + table(("field", "type", "default", "meaning"), rows)
        )
    return "\n".join(parts)


def _resolved(entry: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The entry, or what it refers to where that is only a choice of words."""
    target: dict[str, Any] = schema["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {})
    return target if "enum" in target else entry


def _default(entry: dict[str, Any]) -> str:
    value = entry.get("default")
    examples = entry.get("examples", [])
    if isinstance(value, (int, float)) and examples:
        return f"`{value:g}s`" if "60s" in examples else f"`{int(value) >> 20}Mi`"
    return "" if value in (None, "", []) or isinstance(value, dict) else f"`{json.dumps(value)}`"


def pipeline_schema() -> str:
    """The JSON Schema of pipeline files."""
    from hilum.pipeline.schema import pipeline_schema

    return json.dumps(pipeline_schema(), indent=2)


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "logs.md": logs,
    "metrics.md": metrics,
    "measurements.md": measurements,
    "pipeline.md": pipeline,
    "pipeline.schema.json": pipeline_schema,
    "python.md": python,
    "reasons.md": reasons,
    "settings.md": settings,
    "steps.md": steps,
    "warehouse.md": warehouse,
    "google-roles.md": google_access.page,
    "google-costs.md": google_costs.page,
}


def main(arguments: list[str]) -> int:
    stale = []
    for name, write in PAGES.items():
        head = WRITTEN_BY + "\n" if name.endswith(".md") else ""
        path, text = REFERENCE / name, head + write().rstrip() + "\n"
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in arguments:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    said = "to be written anew: make docs" if "--check" in arguments else "written"
    sys.stdout.write(
        "".join(f"docs/reference/{name}: {said}\n" for name in stale) or "docs/reference is up to date\n"
    )
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
