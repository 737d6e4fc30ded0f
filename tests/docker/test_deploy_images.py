"""Hilum's own images: built, run as a cluster runs them, and compared with the list of what is in them."""

from __future__ import annotations

import json

import pytest

from beds.deploy_images import ATTEMPT, ENGINE, BuiltImages, build_images
from beds.docker_engine import DockerEngine

LOCKED_UP = ("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
INSTALLED = """
import importlib.metadata, json
print(json.dumps(sorted([d.name.lower().replace("_", "-"), d.version] for d in importlib.metadata.distributions())))
"""


@pytest.fixture(scope="module")
def images(docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> BuiltImages:
    """Both images."""
    return build_images(docker_engine, tmp_path_factory.mktemp("deploy"))


def run(images: BuiltImages, image: str, *command: str, options: tuple[str, ...] = ()) -> str:
    """What a command prints in a container that may do nothing."""
    program, *arguments = command
    return images.engine.docker(
        *("run", "--rm", *LOCKED_UP, *options, "--entrypoint", program, image), *arguments
    )


@pytest.mark.parametrize("image", [ENGINE, ATTEMPT])
def test_it_is_nobody_and_cannot_change_itself(images: BuiltImages, image: str) -> None:
    said = run(images, image, "sh", "-c", "id -u; id -g; touch /opt/hilum/x 2>&1; ls -d /wheels 2>&1; true")
    assert said.splitlines()[:2] == ["65534", "65534"]
    assert "Read-only" in said
    assert "/wheels: No such file" in said
    inspected = json.loads(images.engine.docker("image", "inspect", image))[0]["Config"]
    assert inspected["User"] == "65534:65534"


def test_engine_processes_a_series(images: BuiltImages) -> None:
    script = (
        "cd /tmp && python3 -m hilum.dicom.phantom scans head >/dev/null && hilum run scans >/dev/null 2>&1;"
        " hilum status --json"
    )
    said = run(images, ENGINE, "sh", "-c", script, options=("--tmpfs=/tmp:exec,mode=1777", "--env=HOME=/tmp"))
    assert json.loads(said)["runs"] == {"default": {"succeeded": 1}}


def test_engine_has_what_a_cluster_takes(images: BuiltImages) -> None:
    script = "import psycopg, lightkube, prometheus_client, google.cloud.storage, google_crc32c"
    assert run(images, ENGINE, "python3", "-c", script) == ""
    assert "Usage: hilum" in images.engine.docker("run", "--rm", *LOCKED_UP, ENGINE, "--help")


def test_small_one_has_whatever_staging_and_collecting_import_late(images: BuiltImages) -> None:
    script = (
        "import importlib, pkgutil, cel_expr_python, google.cloud.storage, google_crc32c, isal.igzip, pydicom\n"
        "import hilum.dicom.header, hilum.pipeline.expressions, hilum.storage, hilum.steps.contracts as contracts\n"
        "for package in (contracts, hilum.storage):\n"
        "    for each in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        '__main__' in each.name or importlib.import_module(each.name)\n"
    )
    assert run(images, ATTEMPT, "python3", "-c", script) == ""


@pytest.mark.parametrize("program", ["stage", "collect"])
@pytest.mark.parametrize("image", [ENGINE, ATTEMPT])
def test_python_has_compiled_it(images: BuiltImages, image: str, program: str) -> None:
    """Else every start would compile it anew, since nothing can be written."""
    script = (
        f"import os, hilum.executors.kubernetes.{program} as it, sys;"
        "print(*(m.__cached__ for m in list(sys.modules.values())"
        " if getattr(m, '__cached__', None) and not os.path.exists(m.__cached__)))"
    )
    assert run(images, image, "python3", "-c", script).strip() == ""


@pytest.mark.parametrize("image", [ENGINE, ATTEMPT])
def test_list_names_every_package_that_is_in_it(images: BuiltImages, image: str) -> None:
    installed = {tuple(each) for each in json.loads(run(images, image, "python3", "-c", INSTALLED))}
    listed = json.loads((images.folder / f"{image.partition(':')[0]}.cdx.json").read_text())
    assert (listed["bomFormat"], listed["metadata"]["component"]["name"]) == (
        "CycloneDX",
        image.partition(":")[0],
    )
    packages = {
        (each["name"].lower().replace("_", "-"), each["version"])
        for each in listed["components"]
        if each.get("purl", "").startswith("pkg:pypi/")
    }
    assert ("hilum", image.partition(":")[2]) in packages
    assert packages == installed


def test_one_for_images_of_others_is_small(images: BuiltImages) -> None:
    engine, attempt = (
        json.loads(images.engine.docker("image", "inspect", image))[0]["Size"] for image in (ENGINE, ATTEMPT)
    )
    assert attempt < engine / 3
