"""`hilum validate` and `hilum steps`: pipelines checked before anything runs, and what they can use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hilum.cli.complain import say
from hilum.cli.main import Options
from hilum.cli.output import json_option, print_json, print_table
from hilum.errors import UsageError

if TYPE_CHECKING:
    from hilum.pipeline.document import Pipeline


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--cluster", is_flag=True, help="Ask the cluster of the home's settings too; nothing is made there."
)
@json_option
@click.pass_obj
def validate(options: Options, files: Sequence[Path], cluster: bool, as_json: bool) -> None:
    """Check pipeline FILES: every mistake with its line and the nearest right word."""
    from hilum.pipeline.load import load_pipeline
    from hilum.steps.registry import StepRegistry

    registry = StepRegistry()
    results: list[dict[str, Any]] = []
    for file in files:
        try:
            pipeline = load_pipeline(file, registry)
        except UsageError as error:
            results.append(
                {"file": str(file), "valid": False, "errors": error.message.splitlines(), "help": error.hint}
            )
            continue
        results.append(
            {
                "file": str(file),
                "valid": True,
                "pipeline": pipeline.name,
                "steps": len(pipeline.steps),
                "relaxations": _relaxations(pipeline),
            }
        )
        if cluster:
            with options.open() as home:
                refused = {step: said for _, step, said in home.refused_by_cluster([file])}
            errors = [f"{file}: step {step}: {said}" for step, said in refused.items()]
            results[-1] |= {"valid": not errors, "errors": errors}
    if as_json:
        print_json(results)
    else:
        for result in results:
            if result["valid"]:
                click.echo(f"{result['file']}: valid ({result['pipeline']}, {result['steps']} steps)")
            for step, found in result.get("relaxations", {}).items():
                click.echo(f"  step {step}: its container {', '.join(found)}")
            errors = result.get("errors", [])
            if result.get("help"):  # of a file that cannot be read; what is wrong in one begins with its line
                say("\n".join(errors), result["help"])
                continue
            for line in errors:
                click.echo(line, err=True)
    raise click.exceptions.Exit(0 if all(result["valid"] for result in results) else 2)


def _relaxations(pipeline: Pipeline) -> dict[str, list[str]]:
    """What containers may do that they may not by default, by step."""
    from hilum.pipeline.containers import relaxations

    found = {name: relaxations(spec.security.security()) for name, spec in pipeline.steps.items()}
    return {name: phrases for name, phrases in found.items() if phrases}


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
