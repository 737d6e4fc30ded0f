"""The contract port: how an image expects its inputs, and how it leaves its results. A contract touches files only
and never sees a container engine, so one serves Docker on a laptop and a pod's stage and collect containers alike.

A step's container sees three folders, each mounted where its contract says: ``in`` (read-only, written by ``stage``
before it starts), ``out`` (empty and writable, read by ``collect`` after it ended well) and ``scratch``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from hilum.model.image import ImagePlan
from hilum.model.subject import Scope
from hilum.model.work import StepPlan
from hilum.steps.context import InputInstance, Needed
from hilum.steps.declared import Output, Reading

Folder = Literal["in", "out", "scratch"]


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of the attempt, or a folder below it, as the container sees it. Only ``in`` is read-only."""

    target: str
    folder: Folder
    below: str = ""


@dataclass(frozen=True, slots=True)
class Invocation:
    """How the container is started; follows from the plan alone, so it is known before anything is staged.

    Attributes:
        command, args: as in Kubernetes: override entry point and arguments; None leaves the image's own.
        working_dir: empty leaves the image's own.
    """

    mounts: tuple[Mount, ...]
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """What ``stage`` and ``collect`` are about.

    Attributes:
        plan: the step; ``plan.image`` is set.
        instances: the revision's instances as local files; empty at ``collect``.
        needs: what needed steps gave; skipped ones are absent.
        labels: run, subject and pipeline ids; no patient data.
        model: the model's file or folder, if the step has one.
    """

    plan: StepPlan
    scope: Scope
    subject_id: str
    instances: Sequence[InputInstance] = ()
    needs: Mapping[str, Needed] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    model: Path | None = None


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that the step gave: name of the output, path relative to ``out``, RFC 6838 type."""

    name: str
    path: str
    media_type: str


@dataclass(frozen=True, slots=True)
class MeasuredByImage:
    """A measurement that an image reported, with the concept that it or the pipeline file gave; else Hilum's own."""

    reading: Reading
    concept_code: str = ""
    concept_scheme: str = ""
    concept_meaning: str = ""


@dataclass(frozen=True, slots=True)
class Collected:
    """What came out. ``instances`` are those files that are DICOM: they enter intake as results of this task."""

    files: tuple[OutputFile, ...] = ()
    measurements: tuple[MeasuredByImage, ...] = ()
    instances: tuple[str, ...] = ()
    beside: int = 0


class Contract(ABC):
    """One way of talking to an image. ``version`` is part of the task key: raise it when results may change."""

    name: ClassVar[str]
    version: ClassVar[str]
    source: ClassVar[str]
    wanted: ClassVar[tuple[str, ...]] = ()
    """Paths of text files in the image that the contract reads (``ImagePlan.facts``)."""

    @abstractmethod
    def problems(
        self,
        image: ImagePlan,
        scope: Scope,
        needs: Mapping[str, Sequence[Output] | None],
        parameters: Mapping[str, Any] | None = None,
    ) -> Iterator[tuple[str, str]]:
        """What makes this pairing impossible, before anything runs: (message, hint).

        Args:
            image: ``digest`` and ``facts`` are empty where nothing could be resolved.
            needs: outputs that each needed step declares; None where that is not known (another image).
            parameters: as the pipeline file has them under ``with``; None where that is not known.
        """

    @abstractmethod
    def invocation(self, plan: StepPlan) -> Invocation:
        """How to start the container: the same for every subject, so that many attempts can share one Job.

        The image's command, arguments and variables are in it, with the contract's own.
        """

    @abstractmethod
    def stage(self, job: Job, folder: Path) -> None:
        """Write what the container sees as ``in`` below ``folder``; inputs are linked or copied, never moved.

        Raises:
            StepError: the inputs are not what the contract can take.
        """

    @abstractmethod
    def collect(self, job: Job, folder: Path) -> Collected:
        """Find what the container left in ``folder`` (``out``). It is hostile: only regular files count.

        Raises:
            StepError: ``output-missing``, ``bad-measurement`` and the like.
        """

    def progress(self, line: str) -> tuple[float, str] | None:
        """A line of the container's standard output as progress (0 to 1, message); None if it is none."""
        return None
