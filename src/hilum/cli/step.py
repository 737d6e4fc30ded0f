"""`hilum step`: for authors of steps. A folder to start from, and a step tried alone on some scans."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hilum.cli.main import Options
from hilum.cli.output import coloured, counted, faint, json_option, print_json, print_table
from hilum.errors import UsageError

if TYPE_CHECKING:
    from hilum.app.home import Home
    from hilum.cli.rehearse import Tried
    from hilum.ledger.interface import TaskInfo
    from hilum.pipeline.document import Pipeline

CONTRACTS = ("native", "command", "map", "mercure", "bids-app")
PIPELINE = "pipeline.yaml"


@click.group()
def step() -> None:
    """Start a step of your own, or try one alone."""


@step.command()
@click.argument("name")
@click.option(
    "--contract",
    type=click.Choice(CONTRACTS),
    default="native",
    show_default=True,
    help="What the image expects of its surroundings.",
)
@click.option("--folder", type=click.Path(path_type=Path), help="Where to; by default ./NAME.")
def new(name: str, contract: str, folder: Path | None) -> None:
    """Make a folder with a container step that works: code, Dockerfile, pipeline and test."""
    from hilum.steps.templates import write_step

    target = folder or Path(name)
    for path in write_step(name, contract, target):
        click.echo(path)
    click.echo(faint(f"try it: hilum step test {target} SCANS --process"))
    click.echo(faint(f"as a container: docker build -t {name} {target}, then the same without --process"))


@step.command("test")
@click.argument("what", metavar="STEP")
@click.argument("dicom", type=click.Path(exists=True, path_type=Path))
@click.option("--step", "name", default="", help="Which one, where the pipeline has several.")
@click.option("--process", is_flag=True, help="Run its program here, without a container.")
@click.option("--keep", type=click.Path(path_type=Path), help="Where its files stay; else they are gone.")
@json_option
@click.pass_obj
def try_step(
    options: Options, what: str, dicom: Path, name: str, process: bool, keep: Path | None, as_json: bool
) -> None:
    """Run a STEP alone on what is at DICOM, and show what it gave.

    STEP is a folder with a pipeline.yaml, a pipeline file, or a Python step as `uses` has it.
    """
    pipeline = _pipeline_file(what)
    with _folder(keep) as folder:
        if process:
            if pipeline is None:
                raise UsageError(f"{what} is no folder of an image step", hint="leave --process out")
            from hilum.cli.rehearse import rehearse

            found = list(rehearse(pipeline, name, dicom, folder))
        else:
            found = _run(options, pipeline or _alone(what), name, dicom, folder)
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        for each in found:
            _show(each)
        if keep and found:
            click.echo(faint(f"its files are in {keep}"))
    raise click.exceptions.Exit(int(any(each.state != "succeeded" for each in found)))


def _pipeline_file(what: str) -> Path | None:
    path = Path(what)
    if path.is_dir():
        if not (path / PIPELINE).is_file():
            raise UsageError(f"there is no {PIPELINE} in {path}", hint="`hilum step new` makes such a folder")
        return path / PIPELINE
    return path if path.suffix in (".yaml", ".yml") else None


def _alone(uses: str) -> Pipeline:
    """A pipeline of one Python step."""
    from hilum.pipeline.document import Pipeline

    return Pipeline.model_validate({"name": "alone", "steps": {"tried": {"uses": uses}}})


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="hilum-step-") as folder:
            yield Path(folder)
    elif keep.exists() and any(keep.iterdir()):
        raise UsageError(f"there is something in {keep} already", reason="folder-taken")
    else:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep


def _run(options: Options, pipeline: Path | Pipeline, name: str, dicom: Path, folder: Path) -> list[Tried]:
    """Run the pipeline in a home of its own, and look at one step of it."""
    from hilum.cli.progress import ProgressBars
    from hilum.cli.rehearse import image_step
    from hilum.cli.run import quiet, stop_on_signals

    options.home = folder.absolute()
    with options.open(create=True, log_level=quiet()) as home:
        plan = home.pipelines([pipeline])[0].plan
        chosen = name or (plan.steps[0].name if len(plan.steps) == 1 else image_step(plan, name).name)
        with ProgressBars() as bars:
            report = home.run(dicom, pipelines=[pipeline], observer=bars, stop=stop_on_signals())
        subjects = {each.id: each.subject_id for each in report.runs}
        tasks = home.ledger.tasks(subjects)
        found = [_tried(home, subjects[task.run_id], task) for task in tasks if task.step == chosen]
    if not found:
        raise UsageError(
            "the pipeline takes none of these series",
            reason="nothing-selected",
            hint="see its `when`, and whether there is DICOM at all",
        )
    return found


def _tried(home: Home, subject: str, task: TaskInfo) -> Tried:
    from hilum.cli.rehearse import Tried
    from hilum.executors.outputs import find_manifest

    manifest = find_manifest(home.storage, task.task_key) if task.task_key else None
    tried = Tried(subject, task.state.value, task.reason, task.detail)
    if manifest:
        tried.seconds = _seconds(manifest.started_at, manifest.finished_at)
        tried.measurements = [
            {"name": each.name, "value": each.value, "unit": each.unit, "region": each.region}
            for each in manifest.measurements
        ]
        tried.files = [
            {"output": each.name, "path": each.path, "size": each.size, "media_type": each.media_type}
            for each in manifest.artifacts
        ]
    return tried


def _seconds(started: str, finished: str) -> float:
    from datetime import datetime

    return round((datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds(), 3)


def _show(tried: Tried) -> None:
    click.echo(f"{tried.subject}: {coloured(tried.state)} in {tried.seconds:.2f} s")
    if tried.reason:
        click.echo(f"  {tried.reason}: {tried.detail}")
    _table(tried.measurements, "measurements")
    _table(tried.files, "files")
    if tried.printed:
        click.echo(faint(f"it printed {counted(len(tried.printed.splitlines()), 'line')}:"))
        click.echo(tried.printed, nl=False)


def _table(rows: list[dict[str, Any]], title: str) -> None:
    if rows:
        print_table(rows, title=title)
