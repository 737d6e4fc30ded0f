"""The documentation does what it says: its commands run, its output comes out, its links lead somewhere.

Blocks that begin with ``sh`` are the exception: they take minutes or change a machine (`make test`, `systemctl`), so
they are only looked at: a target of make has to exist, a command of Hilum has to be one.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from beds.documents import FILES, ROOT, RUN, SHOWN, Reader, blocks, matches, pages
from hilum.cli.main import COMMANDS

KINDS = {*FILES, *RUN, *SHOWN, "sh"}
OUTSIDE = {
    "cd",
    "docker",
    "gcloud",
    "git",
    "helm",
    "journalctl",
    "kubectl",
    "pip",
    "sudo",
    "systemctl",
    "terraform",
    "zip",
}
OURS = {"deploy/images/build"}
"""Programs that a reader has and that no test runs on their behalf."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in pages() if any(b.runs for b in blocks(page))], ids=name_of)
def test_what_a_page_says_can_be_done(page, tmp_path, request):
    environment = {}
    if "DATABASE_URL" in page.read_text():
        environment["DATABASE_URL"] = request.getfixturevalue("postgresql_url")
    reader = Reader(tmp_path, **environment)
    for block in blocks(page):
        reader.read(block)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_a_page_has_only_blocks_that_mean_something(page):
    for block in blocks(page):
        assert block.kind in KINDS, f"line {block.line}"
        assert set(block.about) <= {"file", "exit"}, f"line {block.line}"
    assert page.read_text().count("```") == 2 * len(list(blocks(page)))


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_commands_that_are_not_run_exist(page):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for block in blocks(page):
        for line in block.text.splitlines() if block.kind == "sh" else []:
            words = shlex.split(line, comments=True)
            if words[:1] == ["make"]:
                assert set(words[1:]) <= set(targets), line
            elif words[:1] == ["hilum"]:
                assert words[1] in COMMANDS, line
            elif words:
                assert words[0] in OUTSIDE or (words[0] in OURS and (ROOT / words[0]).is_file()), line


def test_the_readme_lists_the_commands_that_there_are():
    readme = (ROOT / "README.md").read_text()
    listed = re.findall(r"^\| `hilum ([a-z]+)` \| (.+) \|$", readme, re.MULTILINE)
    assert dict(listed) == {name: summary for name, (_, summary) in COMMANDS.items()}


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=name_of)
def test_a_page_can_be_reached_from_the_index(page):
    index = ROOT / "docs" / "index.md"
    linked = re.findall(r"\]\(([^)#\s]+)", index.read_text())
    assert page == index or str(page.relative_to(index.parent)) in linked


@pytest.mark.parametrize("page", [*pages(), *(ROOT / "docs/adr").glob("*.md")], ids=name_of)
def test_a_link_into_a_page_names_one_of_its_headings(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", page.read_text()):
        other = page.parent / target if target else page
        headings = re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)
        slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in slugs, f"{target}#{anchor}"


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        ("a   1\nb  2\n", "a\t1\nb\t2\n", True),
        ("a ... c", "a b b c", True),
        ("r-... done", "r-0123 done", True),
        ("a b", "a c", False),
        ("a", "a b", False),
    ],
)
def test_shown_output_is_compared_by_words(shown, said, same):
    assert matches(shown, said) is same
