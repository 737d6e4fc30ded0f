"""Kubernetes under the suite of all executors, on one real node, and where it differs by its nature."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from beds import executor_suite
from beds.attempts import run
from beds.dying_engine import DyingEngine
from beds.executor_suite import SHELL, Bench, at_work, executor
from hilum.executors.interface import Executor
from hilum.model.work import AttemptOutcome

__all__ = ["executor"]

UNIFIED = Path("/sys/fs/cgroup/cgroup.controllers").exists()


class TestEnds(executor_suite.Ends):
    @pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT"])
    def test_a_signal_is_the_reason(self, bench: Bench, executor: Executor, name: str) -> None:
        """A pod has no init, and the kernel spares a first process its own signals: so a shell comes first."""
        program = f"/usr/bin/python3 -IS /steps.py kill {name}; exit $?"
        [report] = run(executor, bench.spec(program, command=SHELL))
        reason = f"signal-{name.removeprefix('SIG').lower()}"
        assert (report.outcome, report.reason) == (AttemptOutcome.CRASHED, reason)

    # only cgroup v2 ends a container as a whole
    @pytest.mark.parametrize("way", ["hog", "hog_in_child"] if UNIFIED else ["hog"])
    def test_running_out_of_memory(self, bench: Bench, executor: Executor, way: str) -> None:
        super().test_running_out_of_memory(bench, executor, way)

    def test_nothing_is_left_whatever_happened(self, bench: Bench) -> None:
        """What is at work when its engine goes stays, to be adopted; what ended holds nothing of the node's."""
        with bench.executor() as executor:
            run(executor, bench.spec("sizes"), bench.spec("leave", "3"), bench.spec("nothing"))
            assert bench.left() == []
            at_work(executor, bench.spec("stubborn"), "at work")
        assert len(bench.left()) == 1


class TestLogs(executor_suite.Logs):
    pass


class TestAdoption(executor_suite.Adoption):
    def test_what_nobody_wants_is_removed(self, bench: Bench, dying: Callable[..., DyingEngine]) -> None:
        """Nothing on the cluster says whether the engine of a Job lives, so it is left to its deadline."""
        engine = dying(bench.spec("stubborn"))
        engine.hear(1, "at work")
        engine.kill()
        with bench.executor() as executor:
            assert list(executor.adopt([])) == []
            assert len(bench.left()) == 1


class TestConfinement(executor_suite.Confinement):
    """Two of the suite are not a pod's: its containers share a network, which Hilum's own need, and how many
    processes there may be is a limit of the node (podPidsLimit). docs/how-to/kubernetes.md says so."""

    test_without_network_there_is_none = None  # type: ignore[assignment]
    test_as_many_processes_as_it_may_have = None  # type: ignore[assignment]


class TestMany(executor_suite.Many):
    pass
