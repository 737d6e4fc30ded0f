"""A pipeline that has changed: what is stale is said with the reason, and nothing else is computed again."""

from __future__ import annotations

from pathlib import Path

import pytest

import hilum as api
from beds.commands import here
from hilum.dicom.phantom import many_instances
from hilum.sources.folder import FolderSource

STEPS = """
from hilum import Code, Context, Measure, Output, Parameters, step

class Numbers(Parameters):
    add: int = 0

NUMBER = Measure("number", Code("number", "99TEST", "Number"), kind="integer")

@step("first", outputs=[Output("file", "number.txt", "text/plain")], measurements=[NUMBER])
def first(ctx: Context, parameters: Numbers) -> None:
    number = len(ctx.instances) + parameters.add
    ctx.output("file").write_text(str(number))
    ctx.measure("number", number)

@step("second", measurements=[NUMBER])
def second(ctx: Context, parameters: Numbers) -> None:
    ctx.measure("number", int(ctx.needs["first"].file("file").read_text()) + parameters.add)

@step("beside", measurements=[NUMBER])
def beside(ctx: Context, parameters: Numbers) -> None:
    ctx.measure("number", parameters.add)
"""
PIPELINE = """name: numbers
steps:
  first: {uses: ./first.py:first}
  second: {uses: ./steps.py:second, needs: first}
  beside: {uses: ./steps.py:beside}
"""


class Bench:
    """A folder with a pipeline and two series that it has processed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pipeline = folder / "numbers.yaml"
        self.pipeline.write_text(PIPELINE)
        (folder / "steps.py").write_text(STEPS)
        (folder / "first.py").write_text(STEPS)
        list(many_instances(folder / "scans", 4, per_series=2))
        self.home = api.open(folder / "home")
        self.run()

    def run(self) -> dict[str, int]:
        """Run, and say how many tasks of each step were computed rather than found."""
        known = set(self._computed())
        self.home.run(self.folder / "scans", pipelines=[self.pipeline])
        fresh = [step for key, step in self._computed().items() if key not in known]
        return {name: fresh.count(name) for name in sorted(set(fresh))}

    def due(self) -> dict[str, list[str]]:
        """Reasons by step, the same for both series."""
        first, second = here("plan", "--pipeline", self.pipeline, "--json", home=self.home.root).json
        assert first["steps"] == second["steps"]
        steps: dict[str, list[str]] = first["steps"]
        return steps

    def change(self, old: str, new: str, file: str = "numbers.yaml") -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def numbers(self, step: str) -> set[float]:
        sql = "SELECT value FROM current_measurements WHERE step = ?"
        return set(self.home.query(sql, [step]).column("value").to_pylist())

    def _computed(self) -> dict[str, str]:
        return {
            row["task_key"]: row["step"] for row in self.home.query("SELECT * FROM task_results").to_pylist()
        }


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_nothing_is_due_where_nothing_changed(bench: Bench) -> None:
    assert here("plan", "--pipeline", bench.pipeline, "--json", home=bench.home.root).json == []
    assert "nothing to do" in here("plan", "--pipeline", bench.pipeline, home=bench.home.root).out
    assert bench.run() == {}


def test_other_parameters_compute_that_step_and_what_needs_it(bench: Bench) -> None:
    bench.change("first.py:first}", "first.py:first, with: {add: 10}}")
    assert bench.due() == {"first": ["stale-parameters"], "second": ["stale-inputs"]}
    assert bench.run() == {"first": 2, "second": 2}
    assert bench.numbers("second") == {12.0}


def test_a_change_that_gives_the_same_output_stops_there(bench: Bench) -> None:
    bench.change("number = len(ctx.instances)", "number = 0 + len(ctx.instances)", "first.py")
    assert bench.due() == {"first": ["stale-code"], "second": ["stale-inputs"]}
    assert bench.run() == {"first": 2}


def test_other_code_of_a_last_step_computes_that_step_alone(bench: Bench) -> None:
    (bench.folder / "beside.py").write_text(STEPS + "# newer\n")
    bench.change("steps.py:beside", "beside.py:beside")
    assert bench.due() == {"beside": ["stale-code"]}
    assert bench.run() == {"beside": 2}


def test_going_back_to_what_was_before_computes_nothing(bench: Bench) -> None:
    bench.change("first.py:first}", "first.py:first, with: {add: 10}}")
    bench.run()
    bench.change("first.py:first, with: {add: 10}}", "first.py:first}")
    assert bench.run() == {}
    assert bench.numbers("second") == {2.0}
    assert {path.read_text() for path in bench.home.results.rglob("number.txt")} == {"2"}


def test_a_step_that_was_taken_out_is_shown_no_longer(bench: Bench) -> None:
    bench.change("  first: {uses: ./first.py:first}\n  second: {uses: ./steps.py:second, needs: first}\n", "")
    assert bench.run() == {}
    assert list(bench.home.results.rglob("number.txt")) == []


def test_a_new_step_is_computed_without_the_others(bench: Bench) -> None:
    bench.change("  beside:", "  more: {uses: ./steps.py:second, needs: first, with: {add: 5}}\n  beside:")
    assert bench.due() == {"more": ["new"]}
    assert bench.run() == {"more": 2}


def test_limits_and_names_make_nothing_stale(bench: Bench) -> None:
    bench.change(
        "first.py:first}", "first.py:first, timeout: 5m, retry: {attempts: 7}, resources: {memory: 1Gi}}"
    )
    assert here("plan", "--pipeline", bench.pipeline, "--json", home=bench.home.root).json == []


PICKY = """
from hilum import Context, StepError, step

@step("picky")
def picky(ctx: Context) -> None:
    if len(ctx.instances) == 1:
        raise StepError("one is not enough", reason="too-few")
"""


def test_the_plan_tells_what_failed_what_grew_and_what_is_new(tmp_path: Path) -> None:
    (tmp_path / "picky.py").write_text(PICKY)
    pipeline = tmp_path / "picky.yaml"
    pipeline.write_text("name: picky\nsteps:\n  picky: {uses: ./picky.py:picky}\n")
    list(many_instances(tmp_path / "one", 1, seed=1))
    list(many_instances(tmp_path / "two", 2, seed=2))
    with api.open(tmp_path / "home") as home:
        home.run(tmp_path / "one", tmp_path / "two", pipelines=[pipeline])
        list(many_instances(tmp_path / "three", 3, seed=2))
        list(many_instances(tmp_path / "new", 4, seed=3))
        engine = home.engine([pipeline])
        engine.take_in(FolderSource([tmp_path / "three", tmp_path / "new"], home.clock))
        engine.close()
        before = home.status()
        found = home.plan([pipeline])
        reasons = {due.subject.instances: list(due.reasons) for due in found}
        assert reasons == {1: ["failed"], 3: ["late-instances"], 4: ["new"]}
        assert {due.subject.instances: due.steps for due in found} == {
            1: {"picky": ("failed",)},
            3: {"picky": ("late-instances",)},
            4: {"picky": ("new",)},
        }
        assert home.status() == before


SLOW = """
import time
from hilum import Context, step

@step("slow")
def slow(ctx: Context) -> None:
    time.sleep(0.3)
"""


def test_more_time_than_before_reaches_a_run_that_is_brought_back(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    pipeline = tmp_path / "slow.yaml"
    text = "name: slow\nsteps:\n  slow: {uses: ./slow.py:slow, timeout: 0.1s, retry: {attempts: 1}}\n"
    pipeline.write_text(text)
    list(many_instances(tmp_path / "scans", 1))
    home = tmp_path / "home"
    here("run", tmp_path / "scans", "--pipeline", pipeline, home=home, code=1)
    here("retry", "--pipeline", pipeline, home=home, code=1)
    pipeline.write_text(text.replace("0.1s", "1m"))
    here("retry", "--pipeline", pipeline, home=home)


def test_planning_changes_nothing(bench: Bench) -> None:
    bench.change("first.py:first}", "first.py:first, with: {add: 10}}")
    before = bench.home.status()
    bench.due()
    assert bench.home.status() == before
