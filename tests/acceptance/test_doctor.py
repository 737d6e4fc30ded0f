"""Each damage to a home, or to what it stands on, is a finding of `hilum doctor` that says what to do.

The damage is real, but for the kernel: one without Landlock cannot be had here, so a filter has this one answer as
such a kernel does. Damage to ledger, results and warehouse is in tests/chaos/test_damage.py.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import dcm2niix
import pytest

from beds.commands import hilum
from beds.disks import small_disk
from hilum.dicom.phantom import chest_ct

pytestmark = pytest.mark.slow

PIPELINE = "name: check\nsteps:\n  qc: {uses: qc}\n"
WITHOUT_LANDLOCK = """
import ctypes, errno, os, struct, sys
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF (linux/bpf_common.h); the result of a filter (linux/seccomp.h)
ALLOW, REFUSE, CREATE_RULESET = 0x7FFF0000, 0x00050000, 444
rules = [(LOAD, 0, 0, 0), (EQUAL, 0, 1, CREATE_RULESET), (RETURN, 0, 0, REFUSE | errno.ENOSYS), (RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
program = struct.pack("HxxxxxxP", len(rules), ctypes.addressof(code))
prctl = ctypes.CDLL(None, use_errno=True).prctl
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2
assert prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
assert prctl(SECCOMP, FILTER, program, 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Runs what follows it as on a kernel without Landlock."""

Asked = dict[str, Any]
"""How `hilum doctor` is to be called so that it meets the damage."""
Damage = Callable[[Path, Path, Path], AbstractContextManager[Asked]]
"""From a home, a file that it knows and an empty folder."""


@contextmanager
def gone(home: Path, scan: Path, spare: Path) -> Iterator[Asked]:
    shutil.move(scan, spare)
    yield {}
    shutil.move(spare / scan.name, scan)


@contextmanager
def changed(home: Path, scan: Path, spare: Path) -> Iterator[Asked]:
    content, stat = scan.read_bytes(), scan.stat()
    scan.write_bytes(content[:-2] + b"\1\2")
    yield {"deep": True}
    scan.write_bytes(content)
    os.utime(scan, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@contextmanager
def low_disk(home: Path, scan: Path, spare: Path) -> Iterator[Asked]:
    with small_disk(spare, "64m") as place:
        shutil.copytree(home, place / "home", symlinks=True)
        yield {"home": place / "home"}


@contextmanager
def no_landlock(home: Path, scan: Path, spare: Path) -> Iterator[Asked]:
    yield {"before": (sys.executable, "-c", WITHOUT_LANDLOCK)}


@contextmanager
def no_program(home: Path, scan: Path, spare: Path) -> Iterator[Asked]:
    """The wheel without its program."""
    shutil.copytree(Path(dcm2niix.__file__).parent, spare / "dcm2niix")
    (spare / "dcm2niix" / "dcm2niix").unlink()
    yield {"PYTHONPATH": str(spare)}


@contextmanager
def other_program(home: Path, scan: Path, spare: Path) -> Iterator[Asked]:
    """The wheel with a program that fails."""
    shutil.copytree(Path(dcm2niix.__file__).parent, spare / "dcm2niix")
    shutil.copy("/bin/false", spare / "dcm2niix" / "dcm2niix")
    yield {"PYTHONPATH": str(spare)}


@contextmanager
def no_package(home: Path, scan: Path, spare: Path) -> Iterator[Asked]:
    """What is left of the wheel when its files are gone."""
    (spare / "dcm2niix").mkdir()
    (spare / "dcm2niix" / "__init__.py").touch()
    yield {"PYTHONPATH": str(spare)}


AGAIN = "install the package dcm2niix again"
FINDINGS: list[tuple[Damage, str, str, str, str]] = [
    (gone, "instances", "warning", "no longer where", "`hilum run --verify` over their new folder"),
    (changed, "instances", "warning", "1 file", "`hilum run"),
    (low_disk, "disk", "warning", "MiB free", "make room, or move the home"),
    (no_landlock, "sandbox", "warning", "no Landlock", "use a kernel from 5.13"),
    (no_program, "converter", "error", "dcm2niix does not start", AGAIN),
    (other_program, "converter", "error", "dcm2niix does not start", AGAIN),
    (no_package, "converter", "error", "dcm2niix does not start", AGAIN),
]


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, set[str]]:
    """A home, one of the files that it knows, and what is not well here anyway. Damages undo themselves."""
    folder = tmp_path_factory.mktemp("doctor")
    scans = chest_ct(folder / "scans", slices=3, rows=16, columns=16, seed=5).paths
    (folder / "check.yaml").write_text(PIPELINE)
    hilum("run", folder / "scans", "--pipeline", folder / "check.yaml", home=folder / "home")
    found = findings(folder / "home")
    assert found["instances"]["health"] == found["converter"]["health"] == "ok"
    return folder / "home", scans[1], unsound(found)


def findings(home: Path, *, deep: bool = False, **asked: Any) -> dict[str, dict[str, str]]:
    """What doctor finds, by check; its exit code says whether there is an error."""
    said = hilum("doctor", "--json", *(["--deep"] if deep else []), home=home, code=None, **asked)
    assert said.code == any(each["health"] == "error" for each in said.json), said.err
    assert len({each["check"] for each in said.json}) == len(said.json)
    return {each["check"]: each for each in said.json}


def unsound(found: dict[str, dict[str, str]]) -> set[str]:
    return {check for check, each in found.items() if each["health"] != "ok"}


@pytest.mark.parametrize(
    ("damage", "check", "health", "message", "mend"),
    FINDINGS,
    ids=[damage.__name__ for damage, *_ in FINDINGS],
)
def test_a_damage_is_found_by_its_check_alone_which_says_what_to_do(
    damage: Damage,
    check: str,
    health: str,
    message: str,
    mend: str,
    processed: tuple[Path, Path, set[str]],
    tmp_path: Path,
) -> None:
    home, scan, anyway = processed
    with damage(home, scan, tmp_path) as asked:
        found = findings(**{"home": home, **asked})
    assert found[check]["health"] == health
    assert message in found[check]["message"]
    assert mend in found[check]["mend"]
    assert unsound(found) - anyway <= {check}


def test_files_that_were_moved_are_found_again_by_doing_what_doctor_says(
    processed: tuple[Path, Path, set[str]], tmp_path: Path
) -> None:
    home, scan, _ = processed
    with gone(home, scan, tmp_path):
        assert findings(home)["instances"]["health"] == "warning"
        hilum("run", tmp_path, "--pipeline", home.parent / "check.yaml", home=home)
        assert findings(home)["instances"]["health"] == "ok"
