"""Somebody points Hilum at a folder, without any configuration, and looks at what came out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from beds.commands import hilum, in_terminal
from beds.real import real_file
from hilum.cli.main import COMMANDS

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LISTINGS = [
    ["status"],
    ["plan"],
    ["quarantine", "list"],
    ["query", "--tables"],
    ["steps"],
    ["steps", "qc"],
    ["doctor"],
    ["retry"],
]


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


def test_everything_that_was_refused_is_told(hospital: tuple[Path, Path, Path]) -> None:
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


@pytest.mark.parametrize("arguments", LISTINGS, ids=" ".join)
def test_every_listing_speaks_json(arguments: list[str], real_home: Path) -> None:
    assert hilum(*arguments, "--json", home=real_home).json is not None


@pytest.mark.parametrize("arguments", [*LISTINGS, ["query", "SELECT * FROM series"]], ids=" ".join)
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
    said = hilum(command, "--help")
    assert said.out.startswith(f"Usage: hilum {command}")


@pytest.mark.parametrize(
    ("arguments", "message", "help_"),
    [
        (["stat"], "there is no command 'stat'", "did you mean 'status'?"),
        (["status", "--jsn"], "there is no option --jsn", "did you mean --json?"),
        (["run"], "missing argument 'PATHS...'", "hilum run --help"),
        (["status"], "there is no home at", "`hilum run PATH` makes one"),
        (["steps", "qcc"], "no step is named 'qcc'", "did you mean 'qc'?"),
        (["--log-level", "loud", "status"], "invalid value for '--log-level'", "hilum --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_use_is_answered_in_one_line_with_help(
    arguments: list[str], message: str, help_: str, tmp_path: Path
) -> None:
    said = hilum(*arguments, cwd=tmp_path, code=2)
    first, second = said.err.splitlines()
    assert first.startswith(f"hilum: {message}")
    assert second.startswith("  help: ")
    assert help_ in second
    assert said.out == ""


def test_global_options_may_stand_anywhere(real_home: Path) -> None:
    before = hilum("--home", real_home, "status", "--json").json
    assert hilum("status", "--json", "--home", real_home).json == before
    assert hilum("status", f"--home={real_home}", "--json").json == before


def test_a_setting_that_there_is_not_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "hilum.toml").write_text("slotz = 3\n")
    said = hilum("status", home=tmp_path, code=2)
    assert "slotz" in said.err
    assert "did you mean 'slots'?" in said.err
    (tmp_path / "hilum.toml").write_text("")
    said = hilum("status", home=tmp_path, code=2, HILUM_SLOTZ="3")
    assert "did you mean HILUM_SLOTS?" in said.err
