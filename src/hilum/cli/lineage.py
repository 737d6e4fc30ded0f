"""`hilum lineage`: where a result came from, as a tree, as JSON, or as a picture in Mermaid's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hilum.cli.main import Options
from hilum.cli.output import console, counted, json_option, print_json

if TYPE_CHECKING:
    from rich.tree import Tree

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
    the path of a file in results/.
    """
    with options.open() as home:
        found = home.lineage(identifier)
    if as_json:
        print_json(found.as_json())
    elif mermaid:
        click.echo(found.as_mermaid(), nl=False)
    else:
        console().print(tree(found, None if everything else SHOWN), soft_wrap=True)


def tree(found: Lineage, shown: int | None = SHOWN) -> Tree:
    """Lineage as a tree: the result, what made it, what went in; below, what used it."""
    from rich.markup import escape
    from rich.tree import Tree

    root = Tree(f"[bold]{escape(_title(found))}[/]")
    made = _add(root, found.task)
    inputs = made.add(
        counted(len(found.instances), "instance") + f" [dim]revision {found.task.revision[:12]}[/]"
    )
    for instance in found.instances[:shown]:
        inputs.add(
            f"{instance['SOPInstanceUID']} [dim]{instance['digest'][:12]} {escape(instance['uri'])}[/]"
        )
    if shown is not None and len(found.instances) > shown:
        inputs.add(f"[dim]... and {len(found.instances) - shown} more (--all)[/]")
    if found.task.used_by:
        later = root.add("used by")
        for used in found.task.used_by:
            _add(later, used)
    return root


def _title(found: Lineage) -> str:
    row = found.found
    if found.kind == "artifact":
        return f"{found.id}  {row['path']}  {row['size']:,} bytes  sha256 {row['digest'][:16]}"
    if found.kind == "measurement":
        value = row["text"] if row["value"] is None else f"{row['value']:g} {row['unit']}"
        region = f" in {row['region']}" if row["region"] else ""
        return f"{found.id}  {row['name']} = {value}{region}  ({row['concept_meaning']})"
    return f"task {found.id[:16]}"


def _add(parent: Tree, task: TaskLineage) -> Tree:
    from rich.markup import escape

    code = " ".join(f"{key} {value[:16]}" for key, value in task.code.items() if key != "step")
    node = parent.add(f"step [cyan]{escape(task.step)}[/] [dim]{escape(code)}[/]")
    if task.parameters:
        settings: dict[str, Any] = dict(task.parameters)
        node.add("parameters " + escape(", ".join(f"{key}={value}" for key, value in settings.items())))
    run = f" of run {task.run['run_id']} ({task.run['pipeline']})" if task.run else ""
    executor = task.attempt.get("executor") or ""
    where = f" on {task.machine}" + (f" ({executor})" if executor else "")
    node.add(f"attempt {task.attempt_id}{run}{where}, {task.started_at} to {task.finished_at}")
    for need in task.needs.values():
        _add(node, need)
    return node
