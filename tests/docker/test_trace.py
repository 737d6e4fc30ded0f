"""A container finds its place in its run's trace; its staging and collecting are told. On a real Docker engine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import hilum
from beds.docker_engine import DockerEngine
from beds.images import Image, docker_archive
from beds.otlp import attributes, collecting
from hilum.dicom.phantom import chest_ct
from hilum.kernel.trace import run_trace, span_id, traceparent

TELLS = """#!/usr/bin/python3
import os
with open(os.path.join(os.environ["HILUM_OUT"], "seen.txt"), "w") as out:
    out.write(os.environ.get("TRACEPARENT", "none"))
"""
PIPELINE = "name: told\nsteps:\n  tell:\n    image: bed/tell:1\n    outputs: {seen: seen.txt}\n"


@pytest.fixture(scope="module")
def engine(docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> DockerEngine:
    archive = docker_archive(
        tmp_path_factory.mktemp("images") / "images.tar",
        Image("bed/tell:1", {"/step": TELLS}, entrypoint=["/step"]),
    )
    docker_engine.docker("load", "-i", str(archive))
    return docker_engine


@pytest.mark.parametrize("telemetry", ["otlp", ""])
def test_a_container_is_told_its_span_where_traces_are_told(
    engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, telemetry: str
) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    chest_ct(tmp_path / "ct", slices=3, rows=16, columns=16)
    (tmp_path / "told.yaml").write_text(PIPELINE)
    with collecting() as collector:
        for name, value in collector.environment.items():
            monkeypatch.setenv(name, value)
        with hilum.open(tmp_path / "home", docker=engine.host, telemetry=telemetry) as home:
            (run,) = home.run(tmp_path / "ct", pipelines=[tmp_path / "told.yaml"]).runs
            assert run.state == "succeeded"
            (attempt,) = home.query("SELECT attempt_id FROM attempts").column(0).to_pylist()
            (seen,) = home.results.rglob("seen.txt")
        said = seen.read_text()
        spans = {span.name: span for span in collector.trace(run_trace(run.id))}
    if not telemetry:
        assert said == "none"
        assert spans == {}
        return
    assert said == traceparent(run_trace(run.id), attempt, "tell")
    assert said.split("-")[2] == spans["step"].span_id.hex()
    for part in ("stage", "step", "collect"):
        assert spans[part].parent_span_id.hex() == span_id("attempt", attempt)
        assert attributes(spans[part].attributes)["hilum.step"] == "tell"
    assert attributes(spans["attempt"].attributes)["hilum.executor"] == "docker"
