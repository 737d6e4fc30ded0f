"""A built-in step whose code changed without its version would hand out stale results: the snapshot notices."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOL = runpy.run_path(str(ROOT / "tools" / "code_identity.py"))
SNAPSHOT = json.loads(TOOL["SNAPSHOT"].read_text())


@pytest.fixture(scope="module")
def now():
    return TOOL["identities"]()


def test_a_change_of_code_comes_with_a_change_of_version(now):
    for step in sorted({*SNAPSHOT, *now}):
        was, found = SNAPSHOT.get(step), now.get(step)
        if was == found:
            continue
        if was and found and was["version"] == found["version"]:
            pytest.fail(
                f"the code of step {step!r}, or of what it imports from hilum.dicom, is not what it was under "
                f"version {found['version']}. If any result may differ, raise `version` in its declaration. "
                "Then, or if none can (a rename, a message), run `make identities`."
            )
        pytest.fail(f"step {step!r} is new, gone or has another version: run `make identities`")


@pytest.fixture
def copied(tmp_path):
    for package in ("dicom", "steps"):
        ignored = shutil.ignore_patterns("__pycache__", "phantom", "*.tsv")
        shutil.copytree(ROOT / "src/hilum" / package, tmp_path / "hilum" / package, ignore=ignored)
    return tmp_path


def edit(source: Path, module: str, old: str, new: str) -> None:
    path = source / module
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_code_that_a_step_only_imports_counts(copied, now):
    edit(copied, "hilum/dicom/pixels.py", "def rescale(", "LIMIT = 7\n\n\ndef rescale(")
    changed = {name for name, each in TOOL["identities"](copied).items() if each != now[name]}
    assert changed == {"intensity", "nifti", "preview", "qc"}


def test_comments_docstrings_and_formatting_do_not_count(copied, now):
    edit(copied, "hilum/steps/builtin/intensity.py", '"""', '"""Another beginning. ')
    edit(copied, "hilum/steps/builtin/intensity.py", "\nclass ", "\n# why\n\n\nclass ")
    assert TOOL["identities"](copied) == now


def test_one_step_does_not_count_for_another(copied, now):
    edit(copied, "hilum/steps/builtin/nifti.py", "\nclass ", "\nMORE = 1\n\n\nclass ")
    changed = {name for name, each in TOOL["identities"](copied).items() if each != now[name]}
    assert changed == {"nifti"}
