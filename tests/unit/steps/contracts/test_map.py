"""MONAI packages of both generations: paths, variables and command come from their manifests."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from beds.contract_images import PACKAGE, manifests, older_manifests
from beds.contract_jobs import Attempt, instances_of, named, step_plan
from hilum.dicom import phantom
from hilum.errors import UsageError
from hilum.model.image import ImagePlan
from hilum.model.subject import Scope
from hilum.steps.contracts.map import MonaiPackage, read_package


@pytest.mark.parametrize("generation", [manifests, older_manifests])
@pytest.mark.parametrize("as_text", [True, False])
def test_a_package_reads_and_writes_where_its_manifests_say(
    tmp_path: Path, generation: Any, as_text: bool
) -> None:
    paths = phantom.chest_ct(tmp_path / "dicom", slices=3, rows=16, columns=16).paths
    (tmp_path / "weights.bin").write_text("weights")
    program = str(tmp_path / "attempt" / "program.py")
    command = f"{sys.executable} {program}" if as_text else json.dumps([sys.executable, program])
    plan = step_plan("map", facts=generation(command), model="file:///weights.bin")
    attempt = Attempt(plan, tmp_path / "attempt", instances_of(paths), model=tmp_path / "weights.bin")
    assert attempt.stage()[:2] == ["instances/000001.dcm", "instances/000002.dcm"]
    attempt.run(PACKAGE)
    found = attempt.collect()
    assert named(found) == {"model.txt": "files", "result.json": "files", "segmentation.dcm": "instances"}
    assert found.instances == ("segmentation.dcm",)
    assert (attempt.outputs / "result.json").read_text() == "3"
    assert (attempt.outputs / "model.txt").read_text() == "weights"


def test_paths_and_variables_are_absolute_whatever_the_manifest_says() -> None:
    invocation = MonaiPackage().invocation(step_plan("map", facts=manifests("run")))
    assert [(mount.target, mount.folder, mount.below) for mount in invocation.mounts] == [
        ("/var/holoscan/input", "in", "instances"),
        ("/var/holoscan/output", "out", ""),
        ("/hilum/scratch", "scratch", ""),
    ]
    assert invocation.env["HOLOSCAN_INPUT_PATH"] == "/var/holoscan/input"
    assert invocation.env["EXTRA"] == "1"
    assert (invocation.command, invocation.args) == (("/bin/sh", "-c", "run"), ())
    assert invocation.working_dir == "/var/holoscan"


def test_what_the_manifests_leave_out_has_the_default_of_the_specification() -> None:
    package = read_package({"/etc/holoscan/app.json": '{"command": "run"}'})
    assert (package.input, package.output) == ("/var/holoscan/input", "/var/holoscan/output")
    assert (package.models, package.working_directory) == ("/opt/holoscan/models", "/var/holoscan")
    older = read_package({"/etc/monai/app.json": '{"command": "run"}'})
    assert (older.input, older.models) == ("/var/monai/input", "/opt/monai/models")


def test_an_absolute_path_is_used_as_it_is() -> None:
    package = read_package(manifests("run", input={"path": "/data/in/"}, workingDirectory="/srv"))
    assert (package.input, package.output) == ("/data/in", "/srv/output")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "no /etc/holoscan/app.json"),
        ({"/etc/holoscan/app.json": "[]"}, "no JSON object"),
        ({"/etc/holoscan/app.json": "[" * 100_000}, "no JSON object"),
        ({"/etc/holoscan/app.json": "{}"}, "names no command"),
        ({"/etc/holoscan/app.json": '{"command": ["a", 1]}'}, "names no command"),
        ({"/etc/holoscan/app.json": '{"command": "a", "input": "x"}'}, "where the package reads"),
        ({"/etc/holoscan/app.json": '{"command": "a", "environment": [1]}'}, "environment"),
        ({**manifests("a"), "/etc/holoscan/pkg.json": "x"}, "pkg.json is no JSON object"),
        (manifests("a", type="service"), "a service"),
        (manifests("a", input={"formats": ["network"]}), "takes no files"),
    ],
)
def test_an_image_that_is_no_such_package_is_told_before_it_runs(facts: dict[str, str], said: str) -> None:
    image = ImagePlan("example/tried:1", "sha256:1", "map", facts=facts)
    [(message, _)] = MonaiPackage().problems(image, Scope.SERIES, {})
    assert said in message


def test_an_image_that_was_not_looked_at_is_not_judged() -> None:
    assert list(MonaiPackage().problems(ImagePlan("example/tried:1", "", "map"), Scope.STUDY, {}, {})) == []


def test_what_a_package_has_no_place_for_is_told() -> None:
    image = ImagePlan("example/tried:1", "", "map", env={"HOLOSCAN_INPUT_PATH": "/x"})
    messages = [message for message, _ in MonaiPackage().problems(image, Scope.SERIES, {}, {"a": 1})]
    assert len(messages) == 2
    with pytest.raises(UsageError) as refused:
        MonaiPackage().invocation(step_plan("map"))
    assert refused.value.reason == "no-package"


def test_both_places_of_both_manifests_are_asked_for() -> None:
    assert MonaiPackage.wanted == (
        "/etc/holoscan/app.json",
        "/etc/holoscan/pkg.json",
        "/etc/monai/app.json",
        "/etc/monai/pkg.json",
    )
