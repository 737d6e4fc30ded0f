"""``map``: MONAI Deploy application packages and Holoscan's, which extend them. An image of this kind describes
itself in two manifests; they say what runs, and where it reads and writes. What they leave out has the
specification's default.

Both generations are taken: that of the current specification (``/etc/holoscan``, ``HOLOSCAN_*``) and the first one
of App SDK 0.5 (``/etc/monai``, ``MONAI_*``, keys with hyphens).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from posixpath import join, normpath
from typing import Any, ClassVar

from hilum.errors import UsageError
from hilum.model.image import ImagePlan
from hilum.model.subject import Scope
from hilum.model.work import StepPlan
from hilum.steps.contracts.image_step import add_model, files_alone, image_of, taken_variables
from hilum.steps.contracts.inputs import InputFolder
from hilum.steps.contracts.interface import Collected, Contract, Invocation, Job, Mount
from hilum.steps.declared import Output

GENERATIONS = ("holoscan", "monai")
SCRATCH = "/hilum/scratch"


class NoPackage(UsageError):
    """The image's manifests are missing or not what the specification says."""

    reason = "no-package"


@dataclass(frozen=True, slots=True)
class Package:
    """What the manifests say, with defaults; paths are absolute."""

    generation: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_directory: str
    input: str
    output: str
    models: str
    application: str
    input_formats: tuple[str, ...]
    kind: str


class MonaiPackage(Contract):
    """MONAI Deploy application packages."""

    name: ClassVar[str] = "map"
    version: ClassVar[str] = "1"
    source: ClassVar[str] = (
        "MONAI Application Package, https://github.com/Project-MONAI/monai-deploy/blob/main/guidelines/"
        "monai-application-package.md (commit ed72151); Holoscan Application Package, "
        "https://docs.nvidia.com/holoscan/sdk-user-guide/cli/hap.html (SDK 3.11); first generation: MONAI Deploy "
        "App SDK 0.5, monai/deploy/runner"
    )
    wanted: ClassVar[tuple[str, ...]] = tuple(
        f"/etc/{generation}/{manifest}.json" for generation in GENERATIONS for manifest in ("app", "pkg")
    )

    def problems(
        self,
        image: ImagePlan,
        scope: Scope,
        needs: Mapping[str, Sequence[Output] | None],
        parameters: Mapping[str, Any] | None = None,
    ) -> Iterator[tuple[str, str]]:
        yield from taken_variables(image, "HOLOSCAN_", "MONAI_")
        if parameters:
            yield "a MONAI package takes no parameters", "set what it reads with env"
        if not image.digest:
            return
        try:
            package = read_package(image.facts)
        except NoPackage as error:
            yield error.message, "an image with another way of talking needs another contract"
            return
        if package.kind == "service":
            yield "the package is a service, which does not end", "only applications can be steps"
        if package.input_formats and not any(each.startswith("file") for each in package.input_formats):
            yield "the package takes no files", f"its input is {', '.join(package.input_formats)}"

    def invocation(self, plan: StepPlan) -> Invocation:
        image = image_of(plan)
        package = read_package(image.facts)
        mounts = [
            Mount(package.input, "in", "instances"),
            Mount(package.output, "out"),
            Mount(SCRATCH, "scratch"),
        ]
        if image.model:
            mounts.append(Mount(package.models, "in", "model"))
        return Invocation(
            mounts=tuple(mounts),
            command=image.command or package.command,
            args=image.args if image.args is not None else (),
            env={"TMPDIR": SCRATCH, **package.environment, **_paths(package), **image.env},
            working_dir=package.working_directory,
        )

    def stage(self, job: Job, folder: Path) -> None:
        inputs = InputFolder(folder)
        inputs.add_instances(job.instances, by_series=False)
        add_model(job, inputs)

    def collect(self, job: Job, folder: Path) -> Collected:
        return files_alone(job, folder)


def read_package(facts: Mapping[str, str]) -> Package:
    """What an image says of itself in its manifests.

    Args:
        facts: their texts by path.

    Raises:
        NoPackage: with what is wrong.
    """
    for generation in GENERATIONS:
        if f"/etc/{generation}/app.json" in facts:
            break
    else:
        raise NoPackage("the image has no /etc/holoscan/app.json, so it is no MONAI package")
    app = _manifest(facts, f"/etc/{generation}/app.json")
    pkg = _manifest(facts, f"/etc/{generation}/pkg.json")
    working = _absolute(_text(app, "workingDirectory", f"/var/{generation}/"), "/")
    inputs, outputs = app.get("input") or {}, app.get("output") or {}
    if not isinstance(inputs, dict) or not isinstance(outputs, dict):
        raise NoPackage("its app.json does not say where the package reads and writes")
    environment = app.get("environment") or {}
    if not isinstance(environment, dict):
        raise NoPackage("its app.json has an environment that is no object")
    formats = inputs.get("formats") or ()
    return Package(
        generation=generation,
        command=_command(app.get("command")),
        environment={str(name): str(value) for name, value in environment.items() if value is not None},
        working_directory=working,
        input=_absolute(_text(inputs, "path", "input/"), working),
        output=_absolute(_text(outputs, "path", "output/"), working),
        models=_absolute(_text(pkg, "modelRoot", f"/opt/{generation}/models/"), "/"),
        application=_absolute(_text(pkg, "applicationRoot", f"/opt/{generation}/app/"), "/"),
        input_formats=tuple(each for each in formats if isinstance(each, str)),
        kind=_text(app, "type", "application"),
    )


def _manifest(facts: Mapping[str, str], path: str) -> dict[str, Any]:
    try:
        found = json.loads(facts.get(path, "{}"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NoPackage(f"the image's {path} is no JSON object")
    return found


def _text(manifest: Mapping[str, Any], key: str, default: str) -> str:
    """A value under its key, or under the key's hyphenated form, as the first generation had it."""
    hyphenated = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in key)
    value = manifest.get(key) or manifest.get(hyphenated) or default
    return value if isinstance(value, str) else default


def _absolute(path: str, base: str) -> str:
    return normpath(join("/", base, path))


def _command(command: Any) -> tuple[str, ...]:
    """A shell command; the packager writes an argument list as text of JSON."""
    if isinstance(command, str) and command.lstrip().startswith("["):
        with suppress(ValueError):
            command = json.loads(command)
    if isinstance(command, str) and command.strip():
        return ("/bin/sh", "-c", command)
    if isinstance(command, list) and command and all(isinstance(word, str) for word in command):
        return tuple(command)
    raise NoPackage("its app.json names no command")


def _paths(package: Package) -> dict[str, str]:
    """The specification's variables, with paths that are absolute, for whatever the package's own are relative to."""
    if package.generation == "monai":
        return {
            "MONAI_INPUTPATH": package.input,
            "MONAI_OUTPUTPATH": package.output,
            "MONAI_MODELPATH": package.models,
            "MONAI_WORKDIR": package.working_directory,
            "MONAI_APPLICATION": package.application,
        }
    return {
        "HOLOSCAN_INPUT_PATH": package.input,
        "HOLOSCAN_OUTPUT_PATH": package.output,
        "HOLOSCAN_MODEL_PATH": package.models,
        "HOLOSCAN_WORKDIR": package.working_directory,
        "HOLOSCAN_APPLICATION": package.application,
    }
