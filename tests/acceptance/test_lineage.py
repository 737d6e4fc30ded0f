"""Where a result came from, down to the instances, and what was made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

import hilum as api
from beds.commands import here, in_terminal
from hilum.dicom.phantom import chest_ct
from hilum.engine.lineage import quantity
from hilum.kernel.digest import digest_file

STEPS = """
from hilum import Code, Context, Measure, Output, Parameters, step

class Choice(Parameters):
    threshold: int = 3

@step("count", outputs=[Output("number", "number.txt", "text/plain")])
def count(ctx: Context, parameters: Choice) -> None:
    ctx.output("number").write_text(str(len(ctx.instances)))

@step("double", measurements=[Measure("double", Code("99", "99TEST", "Double"), "mL")])
def double(ctx: Context) -> None:
    ctx.measure("double", 2 * int(ctx.needs["count"].file("number").read_text()), region="left")
"""
PIPELINE = """name: numbers
steps:
  count: {uses: ./steps.py:count, with: {threshold: 4}}
  double: {uses: ./steps.py:double, needs: count}
"""
Place = tuple[Path, tuple[Path, ...]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A home with one run of a step that needs another, and the files that went in."""
    folder = tmp_path_factory.mktemp("lineage")
    (folder / "steps.py").write_text(STEPS)
    (folder / "numbers.yaml").write_text(PIPELINE)
    paths = chest_ct(folder / "scans", slices=8, rows=16, columns=16).paths
    with api.open(folder / "home") as home:
        home.run(folder / "scans", pipelines=[folder / "numbers.yaml"])
    return folder / "home", paths


def one(home: Path, sql: str) -> str:
    (row,) = here("query", sql, "--json", home=home).rows
    return str(next(iter(row.values())))


def test_a_measurement_is_traced_through_steps_to_the_bytes_that_went_in(place: Place) -> None:
    home, paths = place
    told = here("lineage", one(home, "SELECT measurement_id FROM measurements"), "--json", home=home).json
    assert told["kind"] == "measurement"
    assert (told["measurement"]["value"], told["measurement"]["unit"]) == (16.0, "mL")
    made = told["made_by"]
    assert made["step"] == "double"
    assert made["needs"]["count"]["parameters"] == {"threshold": 4}
    assert made["code"]["source"] == digest_file(home.parent / "steps.py")
    assert {instance["digest"] for instance in told["instances"]} == {digest_file(path) for path in paths}
    assert {instance["uri"] for instance in told["instances"]} == {path.as_uri() for path in paths}
    for key in ("attempt_id", "run_id", "machine", "executor", "started_at", "max_rss"):
        assert made["attempt"][key], key


def test_an_artifact_knows_what_used_it(place: Place) -> None:
    home, _ = place
    told = here("lineage", one(home, "SELECT artifact_id FROM artifacts"), "--json", home=home).json
    assert [used["step"] for used in told["used_by"]] == ["double"]


def test_every_way_to_name_a_result_leads_to_it(place: Place) -> None:
    home, _ = place
    identifier = one(home, "SELECT artifact_id FROM artifacts")
    digest = one(home, "SELECT digest FROM artifacts")
    link = next((home / "results").rglob("number.txt"))
    for name in (identifier, digest, digest[:12], str(link)):
        assert here("lineage", name, "--json", home=home).json["id"] == identifier
    key = one(home, "SELECT task_key FROM artifacts")
    assert here("lineage", key, "--json", home=home).json["kind"] == "task"


def test_the_tree_tells_it_in_a_few_lines(place: Place) -> None:
    home, paths = place
    identifier = one(home, "SELECT measurement_id FROM measurements")
    lines = here("lineage", identifier, home=home).out.splitlines()
    assert lines[0] == f"double = 16 mL in left  (Double)  {identifier}"
    assert "step double" in lines[1]
    assert any("step count" in line for line in lines)
    assert sum("IM000" in line for line in lines) == 5
    assert "... and 3 more (--all)" in lines[-1]
    everything = here("lineage", identifier, "--all", home=home).out
    assert all(path.name in everything for path in paths)
    assert "\x1b[" in in_terminal("--home", home, "lineage", identifier).out


def test_the_picture_is_a_flow_chart_of_mermaid(place: Place) -> None:
    home, _ = place
    chart = here("lineage", one(home, "SELECT measurement_id FROM measurements"), "--mermaid", home=home).out
    assert chart.startswith("flowchart LR\n")
    assert "8 instances" in chart
    assert chart.count("-->") >= 4
    assert '"double: 16 mL"' in chart


def test_a_bare_number_has_no_unit_in_tree_and_picture() -> None:
    assert [quantity(64.0, "1"), quantity(64.0, ""), quantity(2.5, "mL")] == ["64", "64", "2.5 mL"]


def test_what_nobody_knows_is_wrong_use(place: Place) -> None:
    home, paths = place
    for name in ("a-0123456789abcdef", "m-0123456789abcdef", "deadbeefdeadbeef", "nonsense", str(paths[0])):
        assert "nothing is known by the id" in here("lineage", name, home=home, code=2).err
