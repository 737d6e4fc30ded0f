"""Somebody points Hilum at a folder, without any configuration, and looks at what came out."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from beds.commands import Said, here, hilum, in_terminal
from beds.real import real_file
from hilum.cli.main import COMMANDS
from hilum.dicom.phantom import chest_ct
from hilum.ledger import open_ledger
from hilum.ledger.counts import glance

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HEAVY = {
    *(
        "pydicom",
        "numpy",
        "pyarrow",
        "duckdb",
        "sqlalchemy",
        "alembic",
        "pydantic",
        "structlog",
        "rich",
        "PIL",
        "yaml",
    ),
}
LISTINGS: list[tuple[list[str], str, int, str]] = [
    (["status"], "arrivals", 4, "accepted"),
    (["plan", "--pipeline", "broken.yaml"], "", 9, "reasons"),
    (["quarantine", "list"], "", 3, "sop_instance_uid"),
    (["query", "--tables"], "", 23, "rows"),
    (["steps"], "", 4, "measurements"),
    (["steps", "qc"], "outputs", 1, "media_type"),
    (["doctor"], "", 8, "mend"),
    (["retry", "--no-wait"], "retried", 9, ""),
]
"""A command, what of its answer is the list (all of it where nothing is said), its length, a key of each item."""


def test_a_folder_of_real_scans_becomes_results_a_warehouse_and_a_history(tmp_path: Path) -> None:
    said = hilum("run", real_file("dicomdirtests"), cwd=tmp_path)
    assert "91 objects: 81 accepted, 10 ignored" in said.out
    assert "13 runs; results in .hilum/results" in said.out
    assert said.err == ""
    files = sorted(path.name for path in (tmp_path / ".hilum/results").rglob("*") if path.is_file())
    assert files.count("montage.png") == 13
    assert sum(name.endswith(".nii.gz") for name in files) >= 8

    said = hilum("status", cwd=tmp_path)
    assert "14 series, 7 studies" in said.out
    said = hilum(
        "query", "SELECT Modality, count(*) AS n FROM dicom_metadata GROUP BY 1 ORDER BY 1", cwd=tmp_path
    )
    assert said.out == "Modality\tn\nCR\t3\nCT\t61\nMR\t17\n"
    picture = next((tmp_path / ".hilum/results").rglob("montage.png"))
    said = hilum("lineage", picture, cwd=tmp_path)
    assert "montage.png" in said.out.splitlines()[0]
    assert "step preview" in said.out


def test_everything_that_was_refused_is_told(hospital: tuple[Path, Path, Said]) -> None:
    _, home, said = hospital
    arrivals = said.json["arrivals"]
    assert arrivals == {"accepted": 29, "quarantined": 3, "duplicate": 1, "ignored": 1}
    assert said.json["failures"] == []
    said = hilum("quarantine", "list", "--json", home=home)
    assert sorted(entry["reason"] for entry in said.json) == ["conflicting-content", "empty", "truncated"]


def test_a_path_with_nothing_makes_no_home(tmp_path: Path) -> None:
    said = hilum("run", tmp_path / "nowhere", cwd=tmp_path, code=2)
    assert said.err.splitlines() == [
        f"hilum: there is nothing at {tmp_path}/nowhere",
        "  help: check the path",
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_images_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "notes.txt").write_text("nothing to see")
    said = hilum("run", "scans", cwd=tmp_path)
    assert said.out.splitlines()[0] == "1 object: 1 ignored"
    assert "nothing that a pipeline takes" in said.out


@pytest.fixture(scope="module")
def troubled(hospital: tuple[Path, Path, Said], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home that has something for every listing: objects in quarantine, nine runs that failed."""
    scans, home, _ = hospital
    folder = tmp_path_factory.mktemp("troubled")
    shutil.copytree(home, folder / "home", symlinks=True)
    (folder / "step.py").write_text(
        "from hilum import Context, StepError, step\n\n@step('no')\ndef no(ctx: Context) -> None:\n"
        "    raise StepError('no', reason='no')\n"
    )
    (folder / "broken.yaml").write_text("name: broken\nsteps:\n  no: {uses: ./step.py:no}\n")
    hilum("run", scans, "--pipeline", folder / "broken.yaml", home=folder / "home", code=1)
    return folder


@pytest.mark.parametrize(
    ("arguments", "part", "length", "key"), LISTINGS, ids=[" ".join(words) for words, *_ in LISTINGS]
)
def test_every_listing_speaks_json(
    arguments: list[str], part: str, length: int, key: str, troubled: Path
) -> None:
    answer = here(*arguments, "--json", home=troubled / "home", cwd=troubled).json
    listed = answer[part] if part else answer
    assert len(listed) == length
    assert all(key in each for each in listed) if isinstance(listed, list) else key in listed


@pytest.mark.parametrize(
    "arguments", [["status"], ["query", "--tables"], ["query", "FROM series"]], ids=" ".join
)
def test_nothing_is_wider_than_the_terminal(arguments: list[str], real_home: Path) -> None:
    said = in_terminal("--home", real_home, *arguments, columns=72)
    assert said.code == 0
    assert [line for line in ESCAPES.sub("", said.out).splitlines() if len(line) > 72] == []


def test_colours_are_for_terminals_alone(real_home: Path) -> None:
    assert "\x1b[" in in_terminal("--home", real_home, "doctor").out
    assert "\x1b[" not in hilum("doctor", home=real_home).out


def test_progress_is_for_terminals_alone_and_leaves_nothing_behind(tmp_path: Path) -> None:
    said = in_terminal("--home", tmp_path / "home", "run", real_file("CT_small.dcm"))
    assert "taking in" in said.out
    assert ESCAPES.sub("", said.out).rstrip().endswith("results in " + str(tmp_path / "home/results"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    said = here(command, "--help")
    assert said.out.startswith(f"Usage: hilum {command}")


@pytest.mark.parametrize(
    ("arguments", "message", "help_"),
    [
        (["stat"], "there is no command 'stat'", "did you mean 'status'?"),
        (["status", "--jsn"], "there is no option --jsn", "did you mean --json?"),
        (["run"], "nothing is named to look at", "name a folder"),
        (["status"], "there is no home at", "`hilum run PATH` makes one"),
        (["steps", "qcc"], "no step is named 'qcc'", "did you mean 'qc'?"),
        (["--log-level", "loud", "status"], "invalid value for '--log-level'", "hilum --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_use_is_answered_in_one_line_with_help(
    arguments: list[str], message: str, help_: str, tmp_path: Path
) -> None:
    said = here(*arguments, cwd=tmp_path, code=2)
    first, second = said.err.splitlines()
    assert first.startswith(f"hilum: {message}")
    assert second.startswith("  help: ")
    assert help_ in second
    assert said.out == ""


def test_global_options_may_stand_anywhere(real_home: Path) -> None:
    before = here("--home", real_home, "status", "--json").json
    assert here("status", "--json", "--home", real_home).json == before
    assert here("status", f"--home={real_home}", "--json").json == before


def test_a_home_is_named_by_option_or_variable_or_is_where_one_stands(
    real_home: Path, tmp_path: Path
) -> None:
    (tmp_path / ".hilum").symlink_to(real_home)
    for said in (
        hilum("status", "--json", cwd=tmp_path),
        hilum("status", "--json", HILUM_HOME=str(real_home)),
        hilum("status", "--json", home=real_home, HILUM_HOME="/nowhere"),
    ):
        assert Path(said.json["home"]).samefile(real_home)


def test_a_setting_that_there_is_not_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "hilum.toml").write_text("slotz = 3\n")
    said = here("status", home=tmp_path, code=2)
    assert "slotz" in said.err
    assert "did you mean 'slots'?" in said.err
    (tmp_path / "hilum.toml").write_text("")
    said = hilum("status", home=tmp_path, code=2, HILUM_SLOTZ="3")
    assert "did you mean HILUM_SLOTS?" in said.err


def test_the_status_is_the_same_at_a_glance_and_in_full(
    hospital: tuple[Path, Path, Said], tmp_path: Path
) -> None:
    _, home, _ = hospital
    url = f"sqlite:///{home}/ledger.sqlite"
    with closing(open_ledger(url)) as ledger:
        assert glance(url) == ledger.summary()
    shutil.copy(home / "ledger.sqlite", tmp_path / "older.sqlite")
    with sqlite3.connect(tmp_path / "older.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    assert glance(f"sqlite:///{tmp_path}/older.sqlite") is None  # it has to be migrated first
    assert glance(f"sqlite:///{tmp_path}/none.sqlite") is None
    (tmp_path / "damaged.sqlite").write_bytes(b"SQLite format 3" + bytes(5000))
    assert glance(f"sqlite:///{tmp_path}/damaged.sqlite") is None


@pytest.mark.parametrize("arguments", [["--help"], ["status"], ["status", "--json"]], ids=" ".join)
def test_what_is_typed_all_day_brings_in_no_heavy_library(arguments: list[str], real_home: Path) -> None:
    code = f"""
import sys
from hilum.cli.main import main
try:
    main({["--home", str(real_home), *arguments]!r})
finally:
    print(*sorted({HEAVY!r} & sys.modules.keys()), file=sys.stderr)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stderr.split() == []


def test_the_doctor_misses_runs_that_the_warehouse_has_lost(tmp_path: Path) -> None:
    chest_ct(tmp_path / "scans", slices=4, rows=16, columns=16)
    (tmp_path / "qc.yaml").write_text("name: qc\nsteps:\n  qc: {uses: qc}\n")
    home = tmp_path / "home"
    here("run", tmp_path / "scans", "--pipeline", tmp_path / "qc.yaml", home=home)
    shutil.rmtree(home / "warehouse" / "runs")
    found = {each["check"]: each for each in here("doctor", "--json", home=home, code=1).json}
    assert found["warehouse"]["message"] == "it lacks 1 run of the ledger"
    assert "put ledger.sqlite" in found["warehouse"]["mend"]
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"):
        (home / name).unlink(missing_ok=True)
    shutil.rmtree(home / "warehouse")
    here("run", tmp_path / "scans", "--pipeline", tmp_path / "qc.yaml", home=home)
    assert "error" not in {each["health"] for each in here("doctor", "--json", home=home).json}
