"""`hilum lineage`: where a result came from, as a tree, as JSON, or as a picture in Mermaid's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, faint, json_option, print_json
from hilum.cli.table import text
from hilum.cli.tree import Node

if TYPE_CHECKING:
    from hilum.engine.lineage import Lineage, TaskLineage

SHOWN = 5


@click.command()
@click.argument("identifier", metavar="ID")
@click.option("--mermaid", is_flag=True, help="Print a flow chart in Mermaid's language.")
@click.option("--all", "everything", is_flag=True, help="Show every instance.")
@json_option
@click.pass_obj
def lineage(options: Options, identifier: str, mermaid: bool, everything: bool, as_json: bool) -> None:
    """Where a result came from, and what was made from it.

    ID is an artifact (a-...), a measurement (m-...), a task key, the digest of an artifact (8 or more digits), or
    a file: in results/, or a copy of it anywhere.
    """
    with options.open() as home:
        found = home.lineage(identifier)
    if as_json:
        print_json(found.as_json())
    elif mermaid:
        click.echo(found.as_mermaid(), nl=False)
    else:
        for line in tree(found, None if everything else SHOWN).lines():
            click.echo(line)


def tree(found: Lineage, shown: int | None = SHOWN) -> Node:
    """Lineage as a tree: the result, what made it, what went in; below, what used it."""
    root = Node(click.style(_title(found), bold=True))
    made = _add(root, found.task)
    inputs = made.add(
        counted(len(found.instances), "instance") + faint(f"  revision {found.task.revision[:12]}")
    )
    for instance in found.instances[:shown]:
        about = faint(f"{instance['digest'][:12]}  {text(instance['uri'])}")
        inputs.add(f"{text(instance['SOPInstanceUID'])}  {about}")
    if shown is not None and len(found.instances) > shown:
        inputs.add(faint(f"... and {len(found.instances) - shown} more (--all)"))
    if found.task.used_by:
        later = root.add("used by")
        for used in found.task.used_by:
            _add(later, used)
    return root


def _title(found: Lineage) -> str:
    from hilum.engine.lineage import quantity

    row = found.found
    if found.kind == "artifact":
        return f"{row['path']}  {row['size']:,} bytes  {found.id}  sha256 {row['digest'][:16]}"
    if found.kind == "measurement":
        value = row["text"] if row["value"] is None else quantity(row["value"], row["unit"])
        region = f" in {row['region']}" if row["region"] else ""
        return f"{row['name']} = {text(value)}{text(region)}  ({row['concept_meaning']})  {found.id}"
    return f"task {found.id[:16]}"


def _add(parent: Node, task: TaskLineage) -> Node:
    code = dict(task.code)
    if task.image:
        origin = f"image {task.image} {code['image'][:19]} ({code['contract']})"
    elif "source" in code:
        origin = f"source {code['source'][:16]}"
    else:
        origin = f"{code['package']} {code['step']} version {code['version']}"
    node = parent.add(f"step {click.style(task.step, fg='cyan')}  {faint(origin)}")
    if task.parameters:
        settings: dict[str, Any] = dict(task.parameters)
        node.add("with " + ", ".join(f"{key}={text(value)}" for key, value in settings.items()))
    run = f" of run {task.run['run_id']} ({task.run['pipeline']})" if task.run else ""
    executor = task.attempt.get("executor") or ""
    where = f"on {task.machine}" + (f" ({executor})" if executor else "")
    node.add(f"attempt {task.attempt_id}{run}")
    node.add(f"{where}  {faint(_span(task))}")
    for need in task.needs.values():
        _add(node, need)
    return node


def _span(task: TaskLineage) -> str:
    """When, and how long: from ISO 8601 texts."""
    from datetime import datetime

    start, end = (datetime.fromisoformat(str(at)) for at in (task.started_at, task.finished_at))
    return f"{start.astimezone():%Y-%m-%d %H:%M:%S}, {(end - start).total_seconds():.2f} s"
