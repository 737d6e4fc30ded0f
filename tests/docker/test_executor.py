"""Docker under the suite of all executors."""

import pytest

from beds import executor_suite
from beds.attempts import run
from beds.executor_suite import Bench, executor, log_of, only
from hilum.executors.interface import Executor

__all__ = ["executor"]


class TestEnds(executor_suite.Ends):
    pass


class TestMany(executor_suite.Many):
    pass


class TestLogs(executor_suite.Logs):
    pass


class TestAdoption(executor_suite.Adoption):
    pass


class TestConfinement(executor_suite.Confinement):
    pass


class TestDocker:
    def test_a_graphics_processor_that_is_not_there(self, bench: Bench, executor: Executor) -> None:
        [report] = run(executor, bench.spec("sizes", gpu=1))
        assert only(report).reason == "gpu-missing"

    def test_what_went_wrong_is_told_in_the_home_alone(
        self, bench: Bench, executor: Executor, capfd: pytest.CaptureFixture[str]
    ) -> None:
        spec = bench.spec("nothing", outputs={"report": "report.txt"})
        run(executor, spec)
        assert b"StepError" in log_of(executor, spec)
        assert capfd.readouterr() == ("", "")
