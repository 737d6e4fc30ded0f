"""The house rules that no linter knows."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from hilum.kernel.disclosure import EVENT, FIELDS
from hilum.version import __version__

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for top in ("src", "tools", "benchmarks", "tests") for path in (ROOT / top).rglob("*.py")
)

LONGEST = 600
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "tools", "stuff"}
CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LEVELS = {"debug", "info", "warning", "error"}


@cache
def trees() -> dict[Path, ast.Module]:
    """All files parsed, when the first test wants them: whoever only collects the tests need not wait."""
    return {path.relative_to(ROOT): ast.parse(path.read_text()) for path in SOURCES}


def calls() -> Iterator[tuple[str, ast.Call]]:
    shipped = {path: tree for path, tree in trees().items() if path.parts[0] == "src"}
    for path, tree in shipped.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield f"{path}:{node.lineno}", node


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    for place, call in calls():
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in LEVELS:
            continue
        if re.search(r"(^|\.)_?log(ger)?$", ast.unparse(call.func.value)):
            yield place, call


def test_no_file_is_longer_than_anyone_wants_to_read():
    assert [str(path) for path in SOURCES if len(path.read_text().splitlines()) > LONGEST] == []


def test_every_module_opens_with_why_it_exists():
    meant = {path: tree for path, tree in trees().items() if path.parts[0] != "tests" or "beds" in path.parts}
    assert [str(path) for path, tree in meant.items() if tree.body and not ast.get_docstring(tree)] == []


def test_every_module_is_named_for_what_it_is_about():
    assert [str(path) for path in trees() if path.stem in VAGUE] == []


def test_a_log_call_has_a_constant_event_in_plain_words():
    wrong = [
        place
        for place, call in log_calls()
        if not call.args
        or not isinstance(call.args[0], ast.Constant)
        or not EVENT.fullmatch(str(call.args[0].value))
    ]
    assert wrong == []


def test_a_log_call_names_only_fields_that_may_be_told():
    wrong = [
        f"{place} {keyword.arg}"
        for place, call in log_calls()
        for keyword in call.keywords
        if keyword.arg and keyword.arg not in FIELDS and keyword.arg != "error"
    ]
    assert wrong == []


def test_reason_codes_are_kebab_case():
    wrong = [
        f"{place} {keyword.value.value!r}"
        for place, call in calls()
        for keyword in call.keywords
        if keyword.arg == "reason" and isinstance(keyword.value, ast.Constant) and keyword.value.value
        if not CODE.fullmatch(str(keyword.value.value))
    ]
    assert wrong == []


def test_the_changelog_knows_this_version_or_what_comes_next():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0] == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_everything_in_the_lock_has_hashes_and_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.split(r"\n(?=\S)", lock.strip())
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)
    assert "://" not in lock
    assert not re.search(r"^-", lock, re.MULTILINE)


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_document_leads_somewhere(document):
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []
