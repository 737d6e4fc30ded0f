"""Work: runs, their tasks, the segments in which neighbouring light tasks travel, and attempts at those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from hilum.model.image import ImagePlan
from hilum.model.subject import Member, Scope


class RunState(StrEnum):
    """``superseded``: a newer revision's or pipeline's run took its place before it finished."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class TaskState(StrEnum):
    """``skipped``: its ``if`` was false or a need was skipped; ``blocked``: a need is dead."""

    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    DEAD = "dead"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self is not TaskState.WAITING


class AttemptOutcome(StrEnum):
    """How an attempt ended. ``lost`` (the machine or engine went away) is not counted against the task."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out-of-memory"
    LOST = "lost"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently a step is tried again after a transient failure."""

    attempts: int = 3
    backoff: float = 10.0


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step of a pipeline with everything resolved: what the task key and the executor need.

    Attributes:
        name: the step's name in the pipeline.
        uses: the registered step (``qc``) or ``/abs/file.py:function``.
        code: code identity, e.g. ``{"package": "hilum", "step": "qc", "version": "1"}`` or with ``source``
            (a digest) for a local file.
        parameters: complete parameters, defaults filled in, plain JSON.
        needs: names of steps whose outputs it sees.
        condition: CEL over ``<step>.<measurement>``; empty means always.
        after: steps that the condition reads: they come before, but are no input.
        light: may share an attempt with its neighbours.
        timeout: seconds. memory: bytes. cpu: cores.
        image: for a step that runs a container image, which then has no ``uses`` and is never light.
    """

    name: str
    uses: str
    code: Mapping[str, str]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    condition: str = ""
    after: tuple[str, ...] = ()
    light: bool = True
    timeout: float = 600.0
    memory: int = 4 << 30
    cpu: float = 1.0
    retry: Retry = field(default_factory=Retry)
    image: ImagePlan | None = None


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A pipeline resolved against the registry: its steps in topological order, in segments.

    Attributes:
        spec: digest over what decides results (code, parameters, needs, conditions); names the plan.
        segments: step names travelling together; each segment needs only earlier ones.
    """

    pipeline: str
    scope: Scope
    spec: str
    steps: tuple[StepPlan, ...]
    segments: tuple[tuple[str, ...], ...]
    priority: int = 100
    max_running: int | None = None

    def steps_of(self, segment: int) -> tuple[StepPlan, ...]:
        """The steps that travel in a segment."""
        return tuple(step for step in self.steps if step.name in self.segments[segment])

    def with_limits_of(self, other: RunPlan) -> RunPlan:
        """This plan with what ``other``, of the same spec, gives its steps: time, memory, cores and retries."""
        theirs = {step.name: step for step in other.steps}
        steps = tuple(
            replace(step, timeout=given.timeout, memory=given.memory, cpu=given.cpu, retry=given.retry)
            for step in self.steps
            for given in [theirs[step.name]]
        )
        return replace(self, steps=steps)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A task's output file, addressed by content.

    Attributes:
        id: ``a-...``, from task key and name.
        name: the declared output's name.
        path: file name as the step wrote it, relative.
        object: where storage holds it.
    """

    id: str
    name: str
    path: str
    digest: str
    size: int
    media_type: str
    object: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """A coded number (or word, or truth) that a step found (PS3.16 TID 300 in spirit).

    Attributes:
        id: ``m-...``, from task key, name and place in the list.
        name: the declared measurement's name, as conditions write it.
        value: the value; NaN is refused.
        concept: code value, scheme and meaning of what was measured.
        unit: UCUM code, ``1`` for a bare number.
        region: what part it is about; empty for all.
        instances: SOP Instance UIDs that it came from; empty for all of the revision.
    """

    id: str
    name: str
    value: float | int | str | bool
    concept_code: str
    concept_scheme: str
    concept_meaning: str
    unit: str = "1"
    region: str = ""
    instances: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The commit of a task: written once, if absent, under its key. Who reads it knows all that came out.

    ``image`` is the reference under which a container image was asked for; its digest is in ``code``.
    """

    task_key: str
    step: str
    code: Mapping[str, str]
    parameters: Mapping[str, Any]
    revision: str
    needs: Mapping[str, str]
    artifacts: tuple[Artifact, ...]
    measurements: tuple[Measurement, ...]
    outputs_digest: str
    attempt: str
    machine: str
    started_at: str
    finished_at: str
    image: str = ""


@dataclass(frozen=True, slots=True)
class AttemptSpec:
    """What an executor is given: a segment's unfinished tasks on one revision.

    Attributes:
        id: ``<segment id>.<number>``; unique, never reused.
        store: URI of the storage that holds inputs, artifacts and manifests.
        revision: digest; the members are the storage object ``revisions/<digest>.jsonl``.
        steps: unfinished steps in topological order.
        done: manifests' task keys of finished needs, by step name; None for a skipped step.
        memory, timeout, cpu: limits for the attempt as a whole (maximum and sum over its steps).
        labels: run, task and subject ids for logs; no patient data.
        trace: the id of the run's trace, for what the steps themselves tell; empty where it is not kept.
    """

    id: str
    store: str
    revision: str
    scope: Scope
    subject_id: str
    steps: tuple[StepPlan, ...]
    done: Mapping[str, str | None] = field(default_factory=dict)
    memory: int = 4 << 30
    timeout: float = 600.0
    cpu: float = 1.0
    labels: Mapping[str, str] = field(default_factory=dict)
    trace: str = ""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What an attempt says of one of its tasks.

    Attributes:
        state: SUCCEEDED, SKIPPED, BLOCKED, DEAD (terminal error) or WAITING (transient: try again).
        task_key: set once it could be computed.
        reused: the key was committed already; nothing was computed.
        reason, detail: for failures; without patient data.
        started_at, staged_at, computed_at, finished_at: its inputs were there, the step was done, all was committed.
    """

    step: str
    state: TaskState
    task_key: str = ""
    reused: bool = False
    reason: str = ""
    detail: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    staged_at: datetime | None = None
    computed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """How an attempt ended; tasks that it did not get to are absent from ``results``."""

    attempt_id: str
    outcome: AttemptOutcome
    results: tuple[TaskResult, ...] = ()
    failed_step: str = ""
    reason: str = ""
    detail: str = ""
    exit_code: int | None = None
    max_rss: int = 0
    cpu_seconds: float = 0.0
    machine: str = ""
    executor: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


__all__ = [
    "Artifact",
    "AttemptOutcome",
    "AttemptReport",
    "AttemptSpec",
    "Manifest",
    "Measurement",
    "Member",
    "Retry",
    "RunPlan",
    "RunState",
    "StepPlan",
    "TaskResult",
    "TaskState",
]
