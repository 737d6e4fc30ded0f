"""What is known of a patient stays in the warehouse, the ledger and the files that people asked for.

Every text attribute of two series holds a marker, and so do the names of files and folders; dates, times, ages,
weights and the like hold odd values. Everything is done to make them slip out: steps fail with header values in their
messages, print, warn and log them; objects are refused; all that is said is said at the most talkative level, for
people and for machines. Then the marks, and every UID, are looked for.
"""

from __future__ import annotations

import json
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pydicom
import pytest

import hilum as api
from beds.commands import here, hilum
from beds.engines import Yard, wait_until
from beds.held import free_port
from beds.instances import write_conflict, write_late
from beds.marked import MARKER, MARKS, ODD, marks_in, write_marked

pytestmark = pytest.mark.slow

ALLOWED = {
    "warehouse/*": "header values are what it is for",
    "ledger.sqlite*": "facts for selectors, and addresses",
    "store/revisions/*": "addresses of instances, which hold names of files",
    "store/tasks/*/*/*/*": "results, which people asked for",
    "work/logs/*": "what a step itself wrote on its streams",
}
"""Where the marks may be, below a home (docs/how-to/patient-data.md)."""

STEPS = """
import sys, warnings
from hilum import Context, TransientError, step

def name(ctx: Context) -> str:
    header = ctx.series.datasets[0]
    odd = "PatientBirthDate StudyTime AcquisitionDateTime PatientAge PatientWeight HeartRate"
    return " ".join([str(header.PatientName), *(str(header[keyword].value) for keyword in odd.split())])

@step("raise-value")
def raise_value(ctx: Context) -> None:
    raise ValueError(f"cannot process {name(ctx)} in {ctx.instances[0].path}")

@step("raise-chain")
def raise_chain(ctx: Context) -> None:
    try:
        {}[name(ctx)]
    except KeyError as error:
        raise TransientError("not today", reason="not-today") from error

@step("talk")
def talk(ctx: Context) -> None:
    print(name(ctx), ctx.instances[0].path, flush=True)
    print(name(ctx), file=sys.stderr, flush=True)
    warnings.warn(name(ctx))
    ctx.log.info("a patient", patient=name(ctx), run=name(ctx))
    ctx.log.warning(f"patient {name(ctx)}")
    ctx.progress(0.5, name(ctx))
    sys.exit(name(ctx))

@step("crash")
def crash(ctx: Context) -> None:
    import ctypes
    ctypes.string_at(0)
"""
PIPELINE = """name: leaky
settle: {quiet: 0s}
steps:
  raise_value: {uses: ./steps.py:raise_value}
  raise_chain: {uses: ./steps.py:raise_chain, retry: {attempts: 2, backoff: 0s}}
  talk: {uses: ./steps.py:talk}
  crash: {uses: ./steps.py:crash, retry: {attempts: 1}}
"""
QUIET_COMMANDS = [
    ("status", "--json"),
    ("plan", "--pipeline", "default.yaml"),
    ("retry",),
    ("doctor", "--deep"),
    ("doctor", "--mend", "--json"),
    ("close",),
]


class Scene:
    """The home after everything, all that commands said, and the UIDs that they must not have said."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        scans = folder / f"{MARKER} of ward" / MARKER.lower()
        polite = write_marked(scans / "polite", seed=41)
        rude = write_marked(scans / "rude", seed=42, polite=False)
        write_conflict(scans / f"{MARKER}-conflict.dcm", polite[0])
        (scans / f"{MARKER}-cut.dcm").write_bytes(polite[1].read_bytes()[:-500])
        (scans / f"{MARKER}-empty.dcm").touch()
        (scans / f"{MARKER}.txt").write_text(MARKER)
        (scans / f"{MARKER}-gone.dcm").symlink_to("nowhere")
        (folder / "steps.py").write_text(STEPS)
        (folder / "leaky.yaml").write_text(PIPELINE)
        (folder / "default.yaml").write_text("name: default\nsteps:\n  qc: {uses: qc, with: {decode: 1}}\n")
        headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in (*polite, *rude)]
        self.uids = {
            str(h[k].value)
            for h in headers
            for k in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
        }
        self.said: dict[str, str] = {}
        self.do("run", scans, code=1)
        self.do("run", scans, "--pipeline", folder / "leaky.yaml", "--json", code=1)
        write_late(scans / f"{MARKER}-late.dcm", polite[-1])
        self.serve(scans)
        self.do("run", scans, "--pipeline", folder / "leaky.yaml", "--verify", code=1, form="console")
        for arguments in QUIET_COMMANDS:
            self.do(*arguments, code=None)
            self.do(*arguments, code=None, form="console")

    def do(self, *arguments: str | Path, code: int | None, form: str = "json") -> None:
        """Run a command as loud as it gets; what only looks is asked for people in this process, which is faster."""
        loud = ("--log-format", form, "--log-level", "debug")
        command = here if form == "console" and arguments in QUIET_COMMANDS else hilum
        said = command(*loud, *arguments, home=self.home, code=code, cwd=self.folder)
        self.said[" ".join(map(str, (*arguments, form))).replace(str(self.folder), "")] = said.out + said.err

    def serve(self, scans: Path) -> None:
        shutil.copytree(scans, self.folder / "inbox", symlinks=True)
        yard = Yard(self.home, environment={"HILUM_LOG_LEVEL": "debug", "HILUM_LOG_FORMAT": "json"})
        port = free_port()
        engine = yard.command(
            *("serve", "--watch", self.folder / "inbox", "--still", "0", "--sweep", "0.5"),
            *("--health", f"127.0.0.1:{port}"),
        )
        with api.open(self.home) as home:
            before = sum(home.status().arrivals.values())
            wait_until(lambda: sum(home.status().arrivals.values()) >= before + 14, every=0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            self.said["metrics"] = answer.read().decode()
        engine.process.send_signal(signal.SIGTERM)
        code, self.said["serve"] = engine.finish()
        assert code == 0

    def below_home(self) -> Iterator[tuple[Path, str]]:
        for path in self.home.rglob("*"):
            yield path, path.relative_to(self.home).as_posix()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("private"))


def test_the_scene_is_what_it_is_meant_to_be(scene: Scene) -> None:
    """Else nothing could slip out, and the tests below would say nothing."""
    with api.open(scene.home) as home:
        headers = "PatientName StudyDescription PatientBirthDate StudyTime PatientAge PatientWeight HeartRate"
        known = str(home.query(f"SELECT {', '.join(headers.split())} FROM dicom_metadata").to_pylist())
        assert all(value in known for value in (MARKER, *(ODD[vr] for vr in ("AS", "DS", "IS"))))
        assert "datetime.date(1903, 11, 17)" in known
        assert "datetime.time(13, 37, 42, 918273)" in known
        reasons = home.query("SELECT DISTINCT reason FROM tasks").column(0).to_pylist()
        assert {"exception", "not-today"} <= set(reasons)
        kinds = {entry.reason for entry in home.quarantine()}
        assert {"conflicting-content", "truncated", "empty", "unreadable"} <= kinds
        assert {run.state for run in home.runs()} >= {"succeeded", "failed"}
    printed = "".join(path.read_text(errors="replace") for path in (scene.home / "work/logs").glob("*"))
    assert set(marks_in(printed)) == {MARKER.lower(), *map(str.lower, ODD.values())}
    assert 'reason="conflicting-content"' in scene.said["metrics"]
    (told,) = (said for command, said in scene.said.items() if command.endswith("--verify console"))
    assert "not-today" in told


def test_nothing_that_was_said_holds_a_mark(scene: Scene) -> None:
    leaks = [
        (command, line[:300])
        for command, said in scene.said.items()
        for line in said.splitlines()
        if marks_in(line)
    ]
    assert leaks == []


def test_nothing_that_was_said_holds_a_uid(scene: Scene) -> None:
    leaks = [
        (command, line[:300])
        for command, said in scene.said.items()
        for line in said.splitlines()
        if any(uid in line for uid in scene.uids)
    ]
    assert leaks == []


def test_log_lines_stay_json_and_say_what_they_refused(scene: Scene) -> None:
    lines = [json.loads(line) for line in scene.said["serve"].splitlines()]
    assert {"serving", "draining", "stopped"} <= {line["event"] for line in lines}
    assert all(set(line) >= {"timestamp", "level", "logger", "event"} for line in lines)


def test_no_name_in_a_home_holds_a_mark_or_a_uid(scene: Scene) -> None:
    names = [name for _, name in scene.below_home()]
    assert [name for name in names if marks_in(name)] == []
    assert [name for name in names if any(uid in name for uid in scene.uids)] == []


def test_files_hold_a_mark_only_where_it_is_documented(scene: Scene) -> None:
    leaks = [
        name
        for path, name in scene.below_home()
        if path.is_file()
        and not path.is_symlink()
        and not any(fnmatch(name, pattern) for pattern in ALLOWED)
        and any(mark.encode() in path.read_bytes().lower() for mark in MARKS)
    ]
    assert leaks == []


def test_the_documentation_names_the_places(scene: Scene) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/patient-data.md").read_text()
    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")] == list(ALLOWED)


def test_an_id_of_anything_is_no_uid_in_disguise(scene: Scene) -> None:
    with api.open(scene.home) as home:
        for run in home.runs():
            assert not any(uid in f"{run.id} {run.subject_id}" for uid in scene.uids)
