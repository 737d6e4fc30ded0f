"""Steps of a pipeline that run images: what they declare, whether their contract can serve them, and the plan that
pins down what runs. A tag may mean another image tomorrow, so a plan and the task keys that follow from it name the
digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hilum.errors import UsageError
from hilum.kernel.address import is_local, local_path
from hilum.kernel.digest import digest_json, digest_tree
from hilum.model.image import ImagePlan, ImageResolver
from hilum.model.subject import Scope
from hilum.pipeline.document import Resources, StepSpec
from hilum.pipeline.problems import Problem
from hilum.steps.api import Code, Measure, Output
from hilum.steps.contracts import contract_of


@dataclass(frozen=True, slots=True)
class Declared:
    """What a pipeline file says that an image gives; ``outputs`` None where it leaves that to the contract."""

    outputs: tuple[Output, ...] | None
    measurements: tuple[Measure, ...]


def declared(spec: StepSpec) -> Declared:
    """What an image step declares."""
    outputs = tuple(Output(name, glob, many=True) for name, glob in spec.outputs.items())
    measurements = tuple(
        Measure(name, Code(each.code or name, each.scheme or "99HILUM", each.meaning or name), each.unit, each.kind)
        for name, each in spec.measurements.items()
    )  # fmt: skip
    return Declared(outputs or None, measurements)


def image_problems(
    name: str,
    spec: StepSpec,
    scope: Scope,
    needs: Mapping[str, Sequence[Output] | None],
    image: ImagePlan | None = None,
) -> Iterator[Problem]:
    """What makes an image step impossible, as far as that can be told without the image or, where given, with it."""
    contract = contract_of(spec.contract or "native")
    for message, hint in contract.problems(image or _unresolved(spec), scope, needs, spec.parameters):
        yield Problem(("steps", name, "contract"), message, hint)


def image_plan(spec: StepSpec, images: ImageResolver, base: Path | None) -> ImagePlan:
    """An image step resolved: by which digest it runs, with what.

    Raises:
        UsageError, TransientError: as the resolver does; ``model-missing``.
    """
    contract = contract_of(spec.contract or "native")
    found = images.resolve(spec.image or "", spec.pull, contract.wanted)
    address, digest = _model(spec.model, base) if spec.model else ("", "")
    return _unresolved(spec, found.digest, found.facts, address, digest)


def code_of(image: ImagePlan) -> dict[str, str]:
    """The code identity of an image step: never a tag."""
    contract = contract_of(image.contract)
    asked = {
        "command": image.command,
        "args": image.args,
        "env": dict(image.env),
        "outputs": dict(image.outputs),
        "measurements": [dict(each) for each in image.measurements],
    }
    code = {"image": image.digest, "contract": f"{contract.name}/{contract.version}"}
    if any(asked.values()):
        code["invocation"] = digest_json(asked)
    if image.model_digest:
        code["model"] = image.model_digest
    return code


def _unresolved(
    spec: StepSpec,
    digest: str = "",
    facts: Mapping[str, str] | None = None,
    model: str = "",
    model_digest: str = "",
) -> ImagePlan:
    resources = spec.resources or Resources()
    return ImagePlan(
        reference=spec.image or "",
        digest=digest,
        contract=spec.contract or "native",
        command=spec.command,
        args=spec.args,
        env=spec.env,
        pull=spec.pull,
        gpu=resources.gpu,
        scratch=resources.scratch,
        security=spec.security.security(),
        model=model or spec.model,
        model_digest=model_digest,
        outputs=spec.outputs,
        measurements=tuple({"name": name, **each.model_dump()} for name, each in spec.measurements.items()),
        facts=facts or {},
    )


def _model(address: str, base: Path | None) -> tuple[str, str]:
    """The address of a model, complete, and a digest over the names and contents of its files."""
    if "://" in address and not is_local(address):
        raise UsageError(
            f"a model at {address.partition(':')[0]}: addresses cannot be read yet",
            reason="model-missing",
            hint="put it into a file or folder of this machine",
        )
    path = Path(local_path(address)) if "://" in address else (base or Path()) / address
    path = path.resolve()
    try:
        return path.as_uri(), digest_tree(path)
    except OSError as error:
        raise UsageError(
            f"the model {address} cannot be read: {error.strerror}",
            reason="model-missing",
            hint="model names a file or a folder with files, from the pipeline file's folder",
        ) from None
