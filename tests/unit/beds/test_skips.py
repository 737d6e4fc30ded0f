"""Under CI nothing passes by not being run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TESTS = Path(__file__).resolve().parents[2]

SKIPPING = """
import pytest

def test_runs(): pass

def test_has_no_bed(): pytest.skip("no bed here")

@pytest.mark.skip(reason="later")
def test_is_put_off(): pass

@pytest.mark.xfail(reason="known", strict=True)
def test_fails_as_expected(): assert 1 == 2
"""

SKIPPING_MODULE = 'import pytest\npytest.skip("no bed here", allow_module_level=True)\n'


def summary(folder: Path, source: str, ci: str) -> tuple[int, str]:
    path = folder / "test_given.py"
    path.write_text(source)
    environment = {
        **os.environ,
        "CI": ci,
        "HILUM_REQUIRE_BEDS": "",
        "PYTHONPATH": f"{TESTS}:{TESTS.parent / 'tools'}",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        folder,
        path,
    ]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_on_a_developers_machine_a_skipped_test_is_skipped(tmp_path):
    code, said = summary(tmp_path, SKIPPING, ci="")
    assert code == 0
    assert "1 passed, 2 skipped, 1 xfailed" in said


@pytest.mark.parametrize(
    ("source", "told"),
    [(SKIPPING, "1 failed, 1 passed, 1 xfailed, 1 error"), (SKIPPING_MODULE, "1 error")],
    ids=["tests", "module"],
)
def test_under_ci_it_is_failed_and_says_why_it_was_skipped(tmp_path, source, told):
    code, said = summary(tmp_path, source, ci="true")
    assert code != 0
    assert told in said
    assert "no bed here" in said
    assert "nothing may be skipped" in said
