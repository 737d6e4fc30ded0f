"""`hilum validate` and `hilum steps`: pipelines checked before anything runs, and what they can use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hilum.cli.output import json_option, print_json, print_table
from hilum.errors import UsageError


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def validate(files: Sequence[Path], as_json: bool) -> None:
    """Check pipeline FILES: every mistake with its line and the nearest right word."""
    from hilum.pipeline.compiled import compile_pipeline
    from hilum.pipeline.load import load_pipeline
    from hilum.steps.registry import StepRegistry

    registry = StepRegistry()
    results: list[dict[str, Any]] = []
    for file in files:
        try:
            compiled = compile_pipeline(load_pipeline(file, registry), registry, file.absolute().parent)
        except UsageError as error:
            results.append(
                {"file": str(file), "valid": False, "errors": error.message.splitlines(), "help": error.hint}
            )
            continue
        results.append(
            {"file": str(file), "valid": True, "pipeline": compiled.name, "steps": len(compiled.plan.steps)}
        )
    if as_json:
        print_json(results)
    else:
        for result in results:
            if result["valid"]:
                click.echo(f"{result['file']}: valid ({result['pipeline']}, {result['steps']} steps)")
            for line in result.get("errors", []):
                click.echo(line, err=True)
            if result.get("help"):
                click.echo(f"  help: {result['help']}", err=True)
    raise click.exceptions.Exit(0 if all(result["valid"] for result in results) else 2)


@click.command()
@click.argument("name", required=False)
@json_option
def steps(name: str | None, as_json: bool) -> None:
    """The steps that pipelines can use, or one of them whole."""
    from hilum.steps.registry import StepRegistry

    registry = StepRegistry()
    found = [describe(registry.get(each)) for each in ([name] if name else registry.names())]
    if as_json:
        print_json(found[0] if name else found)
    elif name:
        _show(found[0])
    else:
        columns = ("name", "version", "package", "summary")
        print_table([{column: each[column] for column in columns} for each in found])


def describe(step: Any) -> dict[str, Any]:
    """A step's declaration as plain JSON."""
    return {
        "name": step.name,
        "version": step.version,
        "package": step.package,
        "summary": step.summary,
        "outputs": [
            {
                "name": o.name,
                "path": o.path,
                "media_type": o.media_type,
                "required": o.required,
                "many": o.many,
            }
            for o in step.outputs
        ],
        "measurements": [
            {
                "name": m.name,
                "kind": m.kind,
                "unit": m.unit,
                "concept": f"{m.concept.meaning} ({m.concept.scheme} {m.concept.value})",
            }
            for m in step.measurements
        ],
        "parameters": step.parameters.model_json_schema().get("properties", {}),
    }


def _show(found: dict[str, Any]) -> None:
    click.echo(f"{found['name']} {found['version']} ({found['package']})\n{found['summary']}")
    if found["parameters"]:
        rows = [
            {"parameter": name, "default": about.get("default"), "about": about.get("description", "")}
            for name, about in found["parameters"].items()
        ]
        print_table(rows, title="parameters")
    if found["outputs"]:
        print_table(found["outputs"], title="outputs")
    if found["measurements"]:
        print_table(found["measurements"], title="measurements")
