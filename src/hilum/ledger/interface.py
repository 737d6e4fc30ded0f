"""The ledger port: the transactional truth of a home. Each method is one transaction, and may be killed at any
point with nothing half done. What the warehouse is to learn of a change is written to the outbox in the same
transaction, so the two can never disagree for good.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hilum.audit import Witness, nobody
from hilum.errors import TerminalError, TransientError
from hilum.model.arrival import Outcome, Quarantined, Received, RefusedRow
from hilum.model.subject import Member, Revision, Scope, Subject
from hilum.model.work import AttemptReport, RunPlan, RunState, TaskState

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


class LedgerDamaged(TerminalError):
    """The database cannot be trusted; nothing is done before somebody looks."""

    reason = "ledger-damaged"


class LedgerBusy(TransientError):
    """Somebody else holds it for too long."""

    reason = "ledger-busy"


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of an address: its newest version, and the subjects its instance belongs to."""

    version: str
    size: int
    digest: str
    outcome: Outcome
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to create: a plan on a subject's revision."""

    plan: RunPlan
    subject_id: str
    revision: str
    priority: int = 100


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as listings show it. ``current``: no newer run of its pipeline on its subject took its place."""

    id: str
    pipeline: str
    spec: str
    scope: Scope
    subject_id: str
    subject_uid: str
    study_uid: str
    revision: str
    state: RunState
    current: bool
    supersedes: str
    created_at: datetime
    finished_at: datetime | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A task as listings show it."""

    run_id: str
    step: str
    state: TaskState
    task_key: str
    reason: str
    detail: str
    failures: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A segment that an engine may now attempt; nobody else has it while the lease lasts.

    Attributes:
        segment_id: ``<run id>.<index>``. number: of the attempt, from 1.
        states: of all the run's tasks. keys: task keys of those that succeeded.
        failures: counted failures by unfinished step.
        memory: bytes to give instead of the plan's, by step that ran out of it before.
    """

    segment_id: str
    number: int
    run: RunInfo
    plan: RunPlan
    index: int
    states: Mapping[str, TaskState]
    keys: Mapping[str, str]
    failures: Mapping[str, int] = field(default_factory=dict)
    memory: Mapping[str, int] = field(default_factory=dict)

    @property
    def attempt_id(self) -> str:
        return f"{self.segment_id}.{self.number}"

    @property
    def steps(self) -> tuple[str, ...]:
        """The segment's unfinished steps, in order."""
        return tuple(name for name in self.plan.segments[self.index] if not self.states[name].final)


@dataclass(frozen=True, slots=True)
class TaskChange:
    """What becomes of one task after an attempt."""

    step: str
    state: TaskState
    task_key: str = ""
    reused: bool = False
    reason: str = ""
    detail: str = ""
    failed: bool = False
    memory: int | None = None
    started_at: datetime | None = None
    staged_at: datetime | None = None
    computed_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt's end, as the engine judged it.

    Attributes:
        not_before: when unfinished tasks may be tried again.
        rows: what else the warehouse is to learn (artifacts, measurements, lineage), by table.
    """

    claim: Claim
    report: AttemptReport
    changes: tuple[TaskChange, ...]
    not_before: datetime
    rows: Rows = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutboxBatch:
    """Rows for the warehouse under a number that stays theirs until they are done.

    Attributes:
        headers: rows of ``dicom_metadata``, which are many and wide, so nobody parses them on their way: a line of
            JSON each.
        rows: of the other tables.
    """

    number: int
    rows: Mapping[str, list[dict[str, Any]]]
    headers: bytes = b""


@dataclass(frozen=True, slots=True)
class Summary:
    """The state of a home in counts."""

    arrivals: Mapping[str, int]
    subjects: Mapping[str, int]
    open_subjects: int
    runs: Mapping[str, Mapping[str, int]]
    tasks: Mapping[str, int]
    superseded: int
    late: int
    quarantine: Mapping[str, int]
    outbox: int
    oldest_open: datetime | None
    failures: tuple[TaskInfo, ...]


@dataclass(frozen=True, slots=True)
class Levels:
    """What is measured of a ledger beyond its :class:`Summary`.

    Attributes:
        arrivals: by outcome and source. tasks: by state and reason. dead_tasks: of current runs.
        found_by_sweep: arrivals that no event had told of. quarantined: objects ever refused.
        oldest_ready: since when the work that waits longest could have begun.
        oldest_row: when the oldest of the warehouse's outstanding rows was made.
    """

    arrivals: Mapping[tuple[str, str], int]
    newest_arrival: datetime | None
    found_by_sweep: int
    quarantined: int
    tasks: Mapping[tuple[str, str], int]
    dead_tasks: int
    oldest_ready: datetime | None
    oldest_row: datetime | None


class Ledger(ABC):
    """What the engine remembers. Times are aware datetimes in UTC, always handed in."""

    # --- intake

    @abstractmethod
    def known(self, uris: Sequence[str]) -> dict[str, Known]:
        """The newest recorded version at each of these addresses."""

    @abstractmethod
    def contents(self, archives: Mapping[str, str]) -> tuple[int, set[str]]:
        """How many members of these archives, by address and version, are recorded, and the subjects that their
        instances belong to."""

    @abstractmethod
    def record_arrivals(self, received: Sequence[Received], now: datetime) -> list[Outcome]:
        """Decide and record what becomes of arrivals. A redelivery (same address and version) changes nothing."""

    @abstractmethod
    def places(self, sop_instance_uids: Sequence[str]) -> dict[str, Member]:
        """What and where these instances are, by UID."""

    @abstractmethod
    def copies(self, sop_instance_uid: str, digest: str) -> list[Member]:
        """Every place at which this content of an instance was ever seen, the newest first."""

    @abstractmethod
    def forget(self, arrivals: Iterable[tuple[str, str]]) -> None:
        """That these came, by address and version: the next look at them is the first."""

    @abstractmethod
    def digests(self, sop_instance_uids: Sequence[str]) -> dict[str, str]:
        """What the content of these instances is called, by UID."""

    @abstractmethod
    def relocate(self, sop_instance_uid: str, digest: str, uri: str, size: int, version: str) -> None:
        """The same bytes are now at another address; the old one is gone."""

    @abstractmethod
    def quarantine(self, *, released: bool = False) -> list[Quarantined]:
        """Entries that wait for somebody; with ``released`` also the settled ones."""

    @abstractmethod
    def refuse_rows(self, refused: Sequence[RefusedRow], now: datetime) -> None:
        """Put rows into the quarantine that the warehouse does not take, reason ``row-refused``; twice is once."""

    @abstractmethod
    def release(
        self, entry_id: str, keep: str, now: datetime, witness: Witness[Quarantined] = nobody
    ) -> Quarantined:
        """Settle an entry. A conflict needs ``keep`` ``old`` or ``new``; a row that was refused goes to the
        outbox again; any other is forgotten, so that the next look at its address reads it afresh, a member's
        archive too."""

    # --- settle

    @abstractmethod
    def open_subjects(self, after: str = "", limit: int = 1000) -> list[Subject]:
        """Subjects with something new since their last revision, in pages by id."""

    @abstractmethod
    def close_subjects(self, ids: Iterable[str], witness: Witness[Sequence[str]] = nobody) -> None:
        """Somebody says that these are complete; ``witness`` is told those that were open."""

    @abstractmethod
    def members(self, subject: Subject) -> list[Member]:
        """A subject's instances, by digest."""

    @abstractmethod
    def settle(self, subject: Subject, revision: Revision, members: Sequence[Member]) -> bool:
        """Pin a revision; False if the subject changed since it was read."""

    @abstractmethod
    def settled(self, subject_id: str, digest: str) -> Revision | None:
        """When and by which rule a subject's revision was pinned; None if it was not."""

    # --- plan

    @abstractmethod
    def subjects(self, ids: Iterable[str] | None = None, *, unplanned: bool = False) -> list[Subject]:
        """Settled subjects: these, or all; with ``unplanned`` only those whose revision nobody planned yet."""

    @abstractmethod
    def current_runs(self, subject_ids: Iterable[str]) -> dict[tuple[str, str], tuple[RunInfo, RunPlan]]:
        """The current run and its plan by (pipeline, subject id)."""

    @abstractmethod
    def create_runs(
        self, runs: Sequence[NewRun], planned: Sequence[tuple[str, str]], now: datetime
    ) -> list[str]:
        """Create runs (known ones become current again), mark (subject id, revision) as planned; returns the ids
        of those that now have something to do. Older runs of the same pipeline and subject are superseded."""

    # --- dispatch

    @abstractmethod
    def claim(
        self, owner: str, limit: int, now: datetime, lease: float, running: Mapping[str, int] | None = None
    ) -> list[Claim]:
        """Up to ``limit`` ready segments, by priority and fairly over pipelines, leased for ``lease`` seconds."""

    @abstractmethod
    def heartbeat(self, owner: str, segments: Collection[str], now: datetime, lease: float) -> list[str]:
        """Extend an owner's leases on these segments, and on no others: of one that the owner has lost sight of the
        lease runs out, and it is freed. Returns those whose runs were superseded: stop them."""

    @abstractmethod
    def finish(self, owner: str, finished: Sequence[Finished], now: datetime) -> list[bool]:
        """Record attempts' ends; False for one whose claim is no longer the owner's."""

    @abstractmethod
    def take_over(self, owner: str, now: datetime, lease: float, gone: Iterable[str] = ()) -> list[Claim]:
        """Make attempts whose lease ran out, or whose owner is ``gone``, those of ``owner``: they may still run
        somewhere. The same attempts, with the same numbers; those of superseded runs are left to ``reclaim``."""

    @abstractmethod
    def reclaim(self, now: datetime, gone: Iterable[str] = ()) -> int:
        """Free segments whose lease ran out or whose owner is ``gone``, and roles of the ``gone``: the attempts are
        lost, not counted. Returns how many attempts."""

    @abstractmethod
    def owners(self, now: datetime | None = None) -> list[str]:
        """Who holds leases, on segments or roles; those that ran out count too, unless it is said what time it is."""

    @abstractmethod
    def next_ready(self) -> datetime | None:
        """When the next waiting retry may start; None if none waits."""

    @abstractmethod
    def unfinished(self, subject_ids: Iterable[str] | None = None) -> int:
        """How many runs have not ended (of these subjects)."""

    @abstractmethod
    def retry(
        self,
        run_ids: Iterable[str] | None,
        now: datetime,
        plans: Iterable[RunPlan] = (),
        witness: Witness[Sequence[str]] = nobody,
    ) -> list[str]:
        """Bring dead tasks back (of these runs, or of all current failed ones); returns the runs. A run
        whose pipeline and spec are those of one of ``plans`` takes its limits."""

    @abstractmethod
    def redo(self, task_keys: Iterable[str], now: datetime) -> list[str]:
        """The results under these keys are lost: let the current runs that rely on them compute again."""

    # --- record

    @abstractmethod
    def tell(self, rows: Rows, headers: Sequence[str] = (), batch: int = 0) -> None:
        """Rows for the warehouse about what changes nothing here.

        Args:
            headers: rows of ``dicom_metadata``, a line of JSON each.
            batch: the number of :meth:`new_batch` under which it was offered them already, if it was.
        """

    @abstractmethod
    def take_outbox(self, limit: int = 200) -> OutboxBatch | None:
        """The oldest entries as a numbered batch; the same again until it is done."""

    @abstractmethod
    def outbox_done(self, number: int) -> None:
        """The warehouse has this batch."""

    @abstractmethod
    def new_batch(self) -> int:
        """A number for a batch that did not come through the outbox."""

    @abstractmethod
    def acquire_role(self, role: str, owner: str, now: datetime, lease: float) -> bool:
        """Be the only one who does something (recording, settling) for ``lease`` seconds."""

    @abstractmethod
    def release_role(self, role: str, owner: str) -> None:
        """Give a role back early."""

    # --- look

    @abstractmethod
    def runs(
        self, *, state: RunState | None = None, ids: Iterable[str] | None = None, limit: int | None = None
    ) -> list[RunInfo]:
        """Runs, newest first."""

    @abstractmethod
    def tasks(self, run_ids: Iterable[str]) -> list[TaskInfo]:
        """Tasks of runs, in the order of their pipelines."""

    @abstractmethod
    def summary(self) -> Summary:
        """Counts for ``status``."""

    @abstractmethod
    def levels(self, now: datetime) -> Levels:
        """What is measured beyond the summary."""

    @abstractmethod
    def check(self) -> list[str]:
        """What is wrong with the database, a line each; empty when sound."""

    @abstractmethod
    def close(self) -> None:
        """Give connections back."""
