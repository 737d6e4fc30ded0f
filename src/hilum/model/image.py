"""Container images: what a pipeline says of one, what was found, and what an executor needs to run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Security:
    """What a step's container may do. The defaults allow nothing; each other value is a relaxation.

    Attributes:
        network: it may reach the network.
        user: numeric user id that it runs as.
        read_only_root: its own file system cannot be written, but for outputs and scratch.
        capabilities: Linux capabilities that it keeps, e.g. ``SYS_PTRACE``.
        privilege_escalation: set-user-id programs work (Kubernetes' allowPrivilegeEscalation).
        pids: most processes at once.
    """

    network: bool = False
    user: int = 65534
    read_only_root: bool = True
    capabilities: tuple[str, ...] = ()
    privilege_escalation: bool = False
    pids: int = 1024


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """The container image of a step, resolved: what executor and contract need to run it.

    Attributes:
        reference: as the pipeline file names it, often with a tag; for people and lineage only.
        digest: ``sha256:...`` of the image; this is what runs.
        contract: what the image expects of its surroundings; see :mod:`hilum.steps.contracts`.
        command, args: override the image's own; None leaves them. May hold the contract's placeholders.
        env: variables on top of the image's own.
        pull: ``never``, ``missing`` or ``always``.
        gpu: graphics processors. scratch: bytes of disk that it may fill beside its outputs; None: as there is.
        model: address of a file or folder that it gets read-only; model_digest: what was found there.
        outputs: globs below the output folder by output name; empty: the contract's own way.
        measurements: what it may report, declared in the pipeline file: name, kind, unit and concept.
        facts: what the contract reads from the image itself, by path; e.g. a MONAI package's ``app.json``.
    """

    reference: str
    digest: str
    contract: str = "native"
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    pull: str = "missing"
    gpu: int = 0
    scratch: int | None = None
    security: Security = field(default_factory=Security)
    model: str = ""
    model_digest: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    measurements: tuple[Mapping[str, str], ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResolvedImage:
    """An image as it was found when a plan was made.

    Attributes:
        digest: ``sha256:...``: of its manifest where a registry has it, else of its configuration.
        labels: of its configuration.
        facts: texts of those files in it that were asked for, by path; absent ones are left out.
    """

    reference: str
    digest: str
    labels: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


class ImageResolver(Protocol):
    """Who can say what a reference means now."""

    def resolve(self, reference: str, pull: str, wanted: Sequence[str] = ()) -> ResolvedImage:
        """The image that ``reference`` (with a tag or a digest) names.

        Args:
            pull: ``never``: only what is here already; ``missing``; ``always``.
            wanted: paths of small text files in the image that the caller wants to read.

        Raises:
            UsageError: ``image-missing``, ``image-refused`` (credentials), ``bad-image-reference``.
            TransientError: ``registry-unreachable``.
        """
        ...
