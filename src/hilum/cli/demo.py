"""`hilum demo`: real scans and a phantom through two pipelines, and a look at everything that comes out.

All of it stays in one folder, to be played with: scans, pipelines, a step's source, home and pictures.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from hilum.cli.contact_sheet import write_contact_sheet
from hilum.cli.main import Options
from hilum.cli.output import counted, faint, print_table
from hilum.cli.run import quiet, show, shown_path, stop_on_signals
from hilum.errors import UsageError

if TYPE_CHECKING:
    from hilum.app.home import Home

SLICES = 64
REAL = (
    "dicomdirtests",  # series of several slices, cut to 16 x 16 pixels
    *("CT_small.dcm", "MR_small.dcm", "J2K_pixelrep_mismatch.dcm", "examples_overlay.dcm"),
    *("examples_jpeg2k.dcm", "examples_palette.dcm", "examples_ybr_color.dcm"),
)
"""Of what pydicom's wheel carries: CT, MR, radiographs, ultrasound in colour, a cine loop, compressed and not."""
SETTINGS = 'pipelines = ["../default.yaml", "../lungs.yaml"]\n'
SERIES = """
SELECT s.SeriesInstanceUID AS uid, s.Modality, s.SeriesNumber, s.SeriesDescription, s.instances,
    any_value(m.text) FILTER (m.name = 'verdict') AS qc,
    any_value(m.value) FILTER (m.step = 'nifti' AND m.name = 'slices') AS slices,
    any_value(m.value) FILTER (m.step = 'intensity' AND m.name = 'mean') AS mean,
    any_value(m.unit) FILTER (m.step = 'intensity' AND m.name = 'mean') AS unit
FROM series s JOIN current_measurements m USING (SeriesInstanceUID)
GROUP BY ALL ORDER BY s.instances DESC, s.Modality, s.SeriesNumber, uid
"""
PICTURES = "SELECT SeriesInstanceUID AS uid, object FROM artifacts WHERE path = ? ORDER BY created_at"
FINDINGS = "SELECT SeriesInstanceUID AS uid, object FROM artifacts WHERE step = 'qc' ORDER BY created_at"
LUNGS = "SELECT region, value FROM current_measurements WHERE step = 'lungs' AND name = 'volume'"
TOTAL = "SELECT measurement_id FROM current_measurements WHERE step = 'lungs' AND name = 'total_volume'"
QUERY = """SELECT Modality, count(DISTINCT SeriesInstanceUID) AS series, count(*) AS instances,
       round(sum(FileSize) / 1e6, 2) AS megabytes
FROM dicom_metadata GROUP BY Modality ORDER BY instances DESC"""


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Where everything goes.",
)
@click.pass_obj
def demo(options: Options, folder: Path) -> None:
    """Process real scans and a phantom, and show the results. The second time nothing has to be computed."""
    from hilum.cli.progress import ProgressBars

    if options.home is not None:
        raise UsageError("the demo has a home of its own", hint="--folder says where everything goes")
    prepare(folder)
    options.home = folder / ".hilum"
    with options.open(create=True, log_level=quiet()) as home:
        with ProgressBars() as bars:
            report = home.run(folder / "scans", observer=bars, stop=stop_on_signals())
        _head(1, f"hilum run {folder}/scans, with two pipelines")
        show(home, report, bars.attempts, as_json=False)
        if report.interrupted:
            raise click.exceptions.Exit(130)
        _show_series(home, folder)
        _show_truth(home)
        _show_query(home)
        _show_lineage(home)
    _show_next(folder)
    raise click.exceptions.Exit(int(any(run.state.value == "failed" for run in report.runs)))


def prepare(folder: Path) -> None:
    """Scans, pipelines and settings; what is there already stays as it is."""
    import pydicom.data

    import hilum.examples
    from hilum.pipeline.default import DEFAULT

    source = Path(pydicom.data.__file__).parent / "test_files"
    for name in REAL:
        _once(folder / "scans" / "real" / name, source / name)
    phantom = folder / "scans" / "phantom"
    if not phantom.exists():
        from hilum.dicom.phantom import chest_ct

        click.echo(faint(f"making a phantom chest CT of {SLICES} slices"), err=True)
        partial = phantom.with_name(".phantom")
        shutil.rmtree(partial, ignore_errors=True)
        chest_ct(partial, slices=SLICES)
        partial.rename(phantom)
    examples = Path(hilum.examples.__file__).parent
    for file in (DEFAULT, examples / "lungs.yaml", examples / "lung_volume.py"):
        _once(folder / file.name, file)
    settings = folder / ".hilum" / "hilum.toml"
    settings.parent.mkdir(exist_ok=True)
    if not settings.exists():
        settings.write_text(SETTINGS)


def _once(target: Path, source: Path) -> None:
    """Copy a file or folder, unless it is there."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    (shutil.copytree if source.is_dir() else shutil.copy)(source, partial)
    partial.rename(target)


def _show_series(home: Home, folder: Path) -> None:
    """What came out of each series, as a table and as a picture."""
    series = home.query(SERIES).to_pylist()
    findings = {
        row["uid"]: json.loads(home.storage.read(row["object"])) for row in home.query(FINDINGS).to_pylist()
    }
    _head(2, "what came out of each series")
    rows = []
    for each in series:
        codes = dict.fromkeys(found["code"] for found in findings.get(each["uid"], []))
        rows.append(
            {
                "series": _name(each),
                "instances": each["instances"],
                "qc": each["qc"],
                "findings": ", ".join(codes),
                "NIfTI": counted(int(each["slices"]), "slice") if each["slices"] else None,
                "mean": f"{each['mean']:.4g}{' HU' if each['unit'] != '1' else ''}",
            }
        )
    print_table(rows)
    sheet = folder / "montage.png"
    write_contact_sheet(sheet, list(_pictures(home, series)))
    click.echo(f"\nall previews on one sheet: {click.style(shown_path(sheet.absolute()), bold=True)}")


def _pictures(home: Home, series: Sequence[dict[str, Any]]) -> Iterator[tuple[BinaryIO, str]]:
    """Pictures and captions: the lungs that the example found, then every series' preview."""
    for name, words in (("lungs.png", " lungs found"), ("montage.png", "")):
        objects = {row["uid"]: row["object"] for row in home.query(PICTURES, [name]).to_pylist()}
        for each in series:
            if each["uid"] in objects:
                yield io.BytesIO(home.storage.read(objects[each["uid"]])), f"{_name(each)}{words}"


def _show_truth(home: Home) -> None:
    """The example's volumes beside those that the phantom was made with."""
    from hilum.dicom.phantom.anatomy import chest

    truth = chest().volumes_ml
    _head(3, "the example step lung_volume.py, beside the volumes that the phantom was made with")
    rows = [
        {
            "lung": row["region"],
            "measured": f"{row['value']:,.0f} mL",
            "true": f"{truth[row['region']]:,.0f} mL",
            "off by": f"{row['value'] / truth[row['region']] - 1:+.1%}",
        }
        for row in home.query(LUNGS).to_pylist()
        if row["region"] in truth
    ]
    print_table(rows, columns=("lung", "measured", "true", "off by"))


def _show_query(home: Home) -> None:
    _head(4, "a question to the warehouse, in SQL")
    click.echo(faint(QUERY))
    print_table(home.query(QUERY).to_pylist())


def _show_lineage(home: Home) -> None:
    from hilum.cli.lineage import tree

    _head(5, "where one number came from: hilum lineage ID")
    for row in home.query(TOTAL).to_pylist()[:1]:
        for line in tree(home.lineage(row["measurement_id"]), shown=2).lines():
            click.echo(line)


def _show_next(folder: Path) -> None:
    _head(6, "what to try next")
    command = "hilum"
    if shutil.which("hilum") is None:
        command = os.path.relpath(Path(sys.argv[0]).resolve(), folder.resolve())
    click.echo(f"cd {folder}")
    for arguments, why in (
        ("status", "how the home is doing"),
        ("query --tables", "what can be asked"),
        ("export out --step nifti", "files under names of your choice, each with its provenance"),
        ("plan", "after a change of the threshold in lungs.yaml: what is stale, and why"),
        ("run scans", "computes that, and nothing else"),
        ("serve --watch inbox", "then copy scans/phantom into inbox"),
    ):
        click.echo(f"{command} {arguments:<24} {faint('# ' + why)}")


def _head(number: int, title: str) -> None:
    click.echo(f"\n{click.style(f'{number}. {title}', bold=True, fg='cyan')}")


def _name(series: dict[str, Any]) -> str:
    """A series in a few words."""
    number = series["SeriesNumber"]
    words = [series["Modality"], None if number is None else str(number), series["SeriesDescription"]]
    return " ".join(word for word in words if word)
