"""What the Docker engine is asked for, and how its answers are read; no engine is needed for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hilum.executors.docker.container import configuration
from hilum.executors.docker.ending import verdict
from hilum.executors.listening import ENOUGH, LONGEST_LINE, lines
from hilum.executors.staged import ImageStep
from hilum.model.image import ImagePlan
from hilum.model.subject import Scope
from hilum.model.work import AttemptOutcome, AttemptSpec, StepPlan

DIGEST = f"sha256:{'1' * 64}"


def asked(cpu: float = 1.0, memory: int = 1 << 30, **image: Any) -> dict[str, Any]:
    """The request for an attempt of such an image."""
    plan = StepPlan("step", "", {"image": DIGEST}, image=ImagePlan("a:1", DIGEST, **image))
    spec = AttemptSpec("g-1.1", "file:///store", "r", Scope.SERIES, "s-1", (plan,), cpu=cpu, memory=memory)
    step = ImageStep.of(spec)
    assert step is not None
    return configuration(spec, step, DIGEST, Path("/work/docker/g-1.1"), {"hilum.attempt": spec.id})


class TestRequest:
    def test_an_image_runs_by_digest_with_its_own_command(self) -> None:
        body = asked()
        assert body["Image"] == DIGEST
        assert {"Entrypoint", "Cmd", "WorkingDir"}.isdisjoint(body)
        assert (asked(command=("a",), args=("b",))["Entrypoint"], asked(args=("b",))["Cmd"]) == (["a"], ["b"])

    def test_only_inputs_are_read_only(self) -> None:
        mounts = {each["Source"]: each["ReadOnly"] for each in asked()["HostConfig"]["Mounts"]}
        folder = "/work/docker/g-1.1"
        assert mounts == {f"{folder}/in": True, f"{folder}/out": False, f"{folder}/scratch": False}

    @pytest.mark.parametrize(("cpu", "given"), [(0.5, 0.5), (1000.0, os.cpu_count()), (0.001, 0.01)])
    def test_cores_are_what_the_engine_takes(self, cpu: float, given: float) -> None:
        assert asked(cpu=cpu)["HostConfig"]["NanoCpus"] == int(given * 1e9)

    def test_memory_has_no_swap_beside_it(self) -> None:
        host = asked(memory=1 << 30)["HostConfig"]
        assert host["Memory"] == host["MemorySwap"] == host["ShmSize"] == 1 << 30
        assert asked(memory=1)["HostConfig"]["Memory"] == 6 << 20

    def test_graphics_processors_are_asked_for_by_number(self) -> None:
        assert asked()["HostConfig"]["DeviceRequests"] == []
        assert asked(gpu=2)["HostConfig"]["DeviceRequests"] == [{"Count": 2, "Capabilities": [["gpu"]]}]


class TestVerdict:
    def read(self, code: int, *, starved: bool = False, status: str = "exited", away: bool = False) -> Any:
        state = {"ExitCode": code, "OOMKilled": starved, "Status": status}
        ended = verdict(state, 64 << 20, interrupted=away)
        return ended and (ended.outcome, ended.reason)

    def test_good_ends(self) -> None:
        assert self.read(0) is None
        assert self.read(0, away=True) is None

    @pytest.mark.parametrize(
        ("code", "reason"),
        [(1, "exit-1"), (127, "exit-127"), (128, "exit-128"), (137, "signal-kill"), (255, "exit-255")],
    )
    def test_codes(self, code: int, reason: str) -> None:
        assert self.read(code) == (AttemptOutcome.CRASHED, reason)

    def test_what_comes_before_the_code(self) -> None:
        assert self.read(137, starved=True) == (AttemptOutcome.OUT_OF_MEMORY, "out-of-memory")
        assert self.read(0, starved=True) == (AttemptOutcome.OUT_OF_MEMORY, "out-of-memory")
        assert self.read(137, away=True) == (AttemptOutcome.LOST, "engine-gone")
        assert self.read(137, status="removing") == (AttemptOutcome.LOST, "container-removed")


class TestLines:
    def test_they_may_come_in_any_pieces(self) -> None:
        assert list(lines([b"a", b"b\nc\n\n", b"d\xff", b"\nnever ended"])) == ["ab", "c", "", "d\ufffd"]

    def test_a_long_one_is_cut(self) -> None:
        [line] = lines([b"x" * LONGEST_LINE, b"y" * 10, b"\n"])
        assert line == "x" * LONGEST_LINE

    def test_who_prints_too_much_is_heard_no_more(self) -> None:
        pieces = iter([b"\n" + b"x" * ENOUGH, b"\n", b"\n"])
        assert len(list(lines(pieces))) == 1
        assert list(pieces) == [b"\n", b"\n"]
