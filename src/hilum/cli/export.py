"""`hilum export`: results as files, each with its provenance beside it."""

from __future__ import annotations

from pathlib import Path

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, json_option, print_json

LAYOUT = "{PatientID}/{SeriesNumber}_{SeriesDescription}"


@click.command()
@click.argument("dest", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--layout",
    default=LAYOUT,
    show_default=True,
    help="Folder of each series, with DICOM keywords in braces; also {pipeline}, {step}, {subject_id}.",
)
@click.option("--step", "steps", multiple=True, help="Only this step's files; repeatable.")
@click.option("--pipeline", "pipelines", multiple=True, help="Only this pipeline's files; repeatable.")
@json_option
@click.pass_obj
def export(
    options: Options,
    dest: Path,
    layout: str,
    steps: tuple[str, ...],
    pipelines: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the results of current runs below DEST, each with a .provenance.json beside it.

    The names come from the headers that the layout asks for, so they may hold patient data.
    """
    with options.open() as home:
        done = list(home.export(dest, layout, steps=steps, pipelines=pipelines))
    if as_json:
        print_json([{"path": str(e.path), "artifact_id": e.artifact_id, "already": e.already} for e in done])
        return
    new = sum(not each.already for each in done)
    before = f", {len(done) - new:,} already there" if new < len(done) else ""
    click.echo(f"{counted(new, 'file')} written to {dest}{before}" if done else "nothing to export")
