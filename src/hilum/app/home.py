"""A home, opened: everything that a user does with Hilum is a method here. What it is made of is beside it, in
:mod:`hilum.app.parts`::

    import hilum

    with hilum.open("./.hilum") as home:
        report = home.run("./scans")
        table = home.query("SELECT Modality, count(*) FROM dicom_metadata GROUP BY ALL")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hilum.app import adapters
from hilum.app.parts import Parts
from hilum.errors import UsageError
from hilum.settings import load_settings

if TYPE_CHECKING:
    import pyarrow as pa

    from hilum.engine.doctor import Finding
    from hilum.engine.engine import RunReport
    from hilum.engine.export import Exported
    from hilum.engine.index import IndexReport
    from hilum.engine.intake import IntakeReport
    from hilum.engine.lineage import Lineage
    from hilum.engine.observe import Observer
    from hilum.engine.planner import Due
    from hilum.ledger.interface import Rows, RunInfo, Summary
    from hilum.model.arrival import Quarantined
    from hilum.model.subject import Subject
    from hilum.pipeline.document import Pipeline
    from hilum.warehouse.interface import Dialect

DEFAULT_HOME = ".hilum"
MARKS = ("ledger.sqlite", "store", "hilum.toml")
"""One of these makes a folder a home; so a mistyped ``--home`` leaves nothing in a folder that is none."""


def default_home() -> Path:
    """``HILUM_HOME``, else ``./.hilum``."""
    return Path(os.environ.get("HILUM_HOME") or DEFAULT_HOME)


def open_home(path: str | Path | None = None, *, create: bool = True, **settings: Any) -> Home:
    """Open a home, made if it is not there.

    Args:
        path: the folder; by default ``HILUM_HOME``, else ``./.hilum``.
        create: with False a missing home is an error.
        settings: override those of ``hilum.toml`` and the environment; see :class:`hilum.Settings`.

    Raises:
        UsageError: no home there (``no-home``), or settings that do not hold.
    """
    root = Path(path) if path is not None else default_home()
    root = root.expanduser().absolute()
    if not create and not any((root / name).exists() for name in MARKS):
        raise UsageError(
            f"there is no home at {root}",
            reason="no-home",
            hint="`hilum run PATH` makes one; --home or HILUM_HOME name another",
        )
    home = Home(root, load_settings(root, flags=settings))
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{root} cannot be made a home: {error.strerror}",
            reason="no-home",
            hint="--home or HILUM_HOME name another place",
        ) from None
    return home


class Home(Parts):
    """A place where Hilum keeps ledger, store, warehouse and results. Open it with :func:`hilum.open`.

    Parts are opened when first used, so looking at one of them costs nothing of the others.
    """

    # --- doing

    def run(
        self,
        *paths: str | Path,
        manifests: Iterable[str | Path] = (),
        pipelines: Iterable[str | Path | Pipeline] = (),
        verify: bool = False,
        observer: Observer | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> RunReport:
        """Process what is at ``paths`` now, and return when all of it is done.

        Args:
            paths: files, folders, archives, patterns such as ``scans/**/*.dcm``, ``file://`` addresses.
            manifests: lists of more of them, ``-`` for standard input; see docs/how-to/inputs.md.
            pipelines: files or declared pipelines; by default those of the settings, else the built-in default.
            verify: read again also what seems unchanged.
            observer: told what happens.
            stop: asked now and then; True ends the run early, what is at work is finished first.
        """
        from hilum.app.addresses import inputs

        source = inputs(paths, manifests, self.clock, self.root)
        engine = self.engine(pipelines, observer)
        try:
            return engine.process(source, verify=verify, stop=stop)
        finally:
            engine.close()

    def index(
        self,
        *paths: str | Path,
        manifests: Iterable[str | Path] = (),
        digest: bool = True,
        verify: bool = False,
        observer: Observer | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> IndexReport:
        """Write the headers of what is at ``paths`` to the warehouse, and do nothing else.

        Args:
            paths, manifests: as for :meth:`run`.
            digest: hash every object; without, only headers are read, which is several times faster.
            verify: read again also what was indexed before and seems unchanged.
            observer: told what happens.
            stop: asked now and then; True ends the index early, and the next one goes on.
        """
        from hilum.app.addresses import inputs
        from hilum.engine.index import Indexer
        from hilum.engine.readers import default_workers

        source = inputs(paths, manifests, self.clock, self.root)
        indexer = Indexer(
            self.warehouse,
            self._recorder(),
            self.clock,
            workers=self.settings.workers or default_workers(),
            digest=digest,
            observer=observer,
        )
        return indexer.index(source, verify=verify, stop=stop)

    def sweep(
        self,
        *addresses: str,
        observer: Observer | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> IntakeReport:
        """Take in what lies in buckets and no event has told of; the engine that serves goes on with it.

        A listing is compared with the ledger page by page; what the ledger knows is not read.

        Args:
            addresses: ``gs://bucket/prefix``, ``gs://bucket/object`` or patterns.
            observer: told what happens.
            stop: asked now and then; True ends the sweep early, and the next one begins anew.

        Raises:
            UsageError: ``not-in-a-bucket``, ``bad-bucket-address``; ``no-such-path`` where nothing is.
        """
        from hilum.app.addresses import swept
        from hilum.engine.intake import Intake
        from hilum.engine.readers import default_workers
        from hilum.engine.settle import follow_moves

        source = swept(addresses, self.clock)
        intake = Intake(
            self.ledger,
            self.clock,
            observer,
            lambda subjects: follow_moves(self.ledger, self.storage, subjects),
            self.settings.workers or default_workers(),
        )
        return intake.take(source, stop=stop)

    def serve(
        self,
        *watch: str | Path,
        pipelines: Iterable[str | Path | Pipeline] = (),
        observer: Observer | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Process what arrives in folders and buckets and through subscriptions, until ``stop``; raises as
        :func:`hilum.app.addresses.check_watched`."""
        from hilum.app.addresses import check_watched
        from hilum.engine.lead import Leadership
        from hilum.engine.serve import serve
        from hilum.model.codec import to_json
        from hilum.ops.health import Health, Pulse
        from hilum.ops.metrics import exposition

        check_watched(watch)
        engine, watching = self._watched(self.pipelines(pipelines), observer)
        self._audit(
            "engine-configured", to_json(self.settings), [each.plan.spec for each in engine.planner.pipelines]
        )
        sources = list(adapters.watched(self.settings, self.root, self.clock, watch))
        pulse = Pulse(self.clock)
        leadership = Leadership(self.ledger, self.clock, engine.owner) if self.settings.lead else None
        health = None
        if leadership is not None:
            watching.leads = lambda: leadership.leads
        if self.settings.health:
            health = Health(self.settings.health, pulse, lambda: exposition(watching.metrics))
        try:
            serve(engine, sources, self.clock, stop, pulse.beat, leadership)
        finally:
            if health:
                health.close()
            for source in sources:
                source.close()
            engine.close()

    def refused_by_cluster(
        self, pipelines: Iterable[str | Path | Pipeline] = ()
    ) -> Iterator[tuple[str, str, str]]:
        """What the cluster of the settings would refuse: pipeline, step, and what it says. Nothing is made there."""
        from hilum.executors.kubernetes.dry_run import refusals

        for each in self.pipelines(pipelines):
            yield from (
                (each.name, *refusal) for refusal in refusals(adapters.cluster(self.settings), each.plan)
            )

    def plan(self, pipelines: Iterable[str | Path | Pipeline] = ()) -> list[Due]:
        """What would run and why, if all that has arrived were complete now; changes nothing."""
        from hilum.engine.planner import Planner
        from hilum.model.subject import revision_digest

        opened = {}
        for subject in self._open_subjects():
            members = self.ledger.members(subject)
            opened[subject.id] = replace(subject, revision=revision_digest([each.digest for each in members]))
        settled = [subject for subject in self.ledger.subjects() if subject.id not in opened]
        planner = Planner(self.ledger, self.clock, self.pipelines(pipelines))
        return planner.due([*settled, *opened.values()])

    def close_subjects(self, wanted: Iterable[str] = ()) -> list[str]:
        """Say that series or studies are complete now, whatever their headers or the clock say.

        Args:
            wanted: Series or Study Instance UIDs or subject ids; none means all that are open.

        Returns:
            The ids of those that were open. The next turn of an engine settles and plans them.

        Raises:
            UsageError: ``unknown-subject``, where one of them is not open.
        """
        names = list(wanted)
        found = {each.id: each.uid for each in self._open_subjects()}
        chosen = {key for key, uid in found.items() if not names or key in names or uid in names}
        missing = [
            name for name in names if name not in chosen and name not in {found[key] for key in chosen}
        ]
        if missing:
            raise UsageError(
                f"{missing[0]} is no open series or study",
                reason="unknown-subject",
                hint="it may have settled already: see `hilum status`",
            )
        self.ledger.close_subjects(chosen, self._witness("subjects-closed"))
        self.record()
        return sorted(chosen)

    def _open_subjects(self) -> Iterator[Subject]:
        after = ""
        while page := self.ledger.open_subjects(after):
            after = page[-1].id
            yield from page

    def retry(
        self, runs: Iterable[str] | None = None, pipelines: Iterable[str | Path | Pipeline] = ()
    ) -> list[str]:
        """Bring dead tasks back (of these runs, or of all that failed); the next engine tries them again.

        Args:
            pipelines: as for :meth:`run`; their runs take over the limits and retries that they give now.
        """
        plans = [pipeline.plan for pipeline in self.pipelines(pipelines)]
        return self.ledger.retry(runs, self.clock.now(), plans, self._witness("runs-retried"))

    def work(
        self,
        observer: Observer | None = None,
        stop: Callable[[], bool] = lambda: False,
        *,
        pipelines: Iterable[str | Path | Pipeline] = (),
    ) -> None:
        """Run what the ledger has open, and return when it is done."""
        engine = self.engine(pipelines, observer)
        try:
            engine.work(stop=stop)
        finally:
            engine.close()

    def record(self) -> int:
        """Write what waits for the warehouse; how many rows."""
        recorder = self._recorder()
        written = recorder.record()
        recorder.finish()
        return written

    # --- looking

    def query(self, sql: str, parameters: Sequence[Any] = (), *, dialect: Dialect | None = None) -> pa.Table:
        """Read-only SQL over the warehouse, as an Arrow table; ``.to_pandas()`` makes it a data frame.

        Args:
            parameters: the values of ``?`` in the SQL.
            dialect: ``bigquery`` or ``duckdb``; by default ``bigquery`` for SQL with a mark that only GoogleSQL has.
        """
        if self.settings.audit_reads:
            self._audit("warehouse-queried", sql, [str(each) for each in parameters])
        return self.warehouse.query(sql, parameters, dialect=dialect)

    def estimate(
        self, sql: str, parameters: Sequence[Any] = (), *, dialect: Dialect | None = None
    ) -> int | None:
        """Bytes that a query would read and somebody would pay for; None where queries cost nothing."""
        return self.warehouse.estimate(sql, parameters, dialect=dialect)

    def status(self) -> Summary:
        """The state of the home in counts."""
        from hilum.ledger.counts import glance

        quick = None if "ledger" in self.__dict__ else glance(self.ledger_url)
        return quick or self.ledger.summary()

    def runs(self, limit: int | None = None) -> list[RunInfo]:
        """Runs, newest first."""
        return self.ledger.runs(limit=limit)

    def lineage(self, identifier: str | Path) -> Lineage:
        """Where a result came from: by artifact or measurement id, task key, digest, or file.

        A file is a link in ``results/``, or a copy of a result wherever it lies.
        """
        from hilum.engine.lineage import named_by, trace

        if os.path.isfile(identifier):
            identifier = named_by(Path(identifier), self.root / "store", self.warehouse)
        if self.settings.audit_reads:
            self._audit("lineage-asked", str(identifier))
        return trace(self.warehouse, str(identifier))

    def export(
        self,
        destination: str | Path,
        layout: str | None = None,
        *,
        steps: Iterable[str] = (),
        pipelines: Iterable[str] = (),
    ) -> Iterator[Exported]:
        """Write results below ``destination``, each with its provenance; yields each as it is written.

        Args:
            layout: folder of a subject's files with header keywords in braces; see :mod:`hilum.engine.export`.
            steps, pipelines: only these.
        """
        from hilum.engine.export import DEFAULT_LAYOUT, export

        layout, wanted, of = layout or DEFAULT_LAYOUT, tuple(steps), tuple(pipelines)
        self._audit("results-exported", layout, wanted, of)
        self.record()
        return export(self.warehouse, self.storage, Path(destination), layout, steps=wanted, pipelines=of)

    def backfill(
        self, address: str, begun: Callable[[int], None] = lambda rows: None
    ) -> Iterator[tuple[str, int]]:
        """Load the rows that the home has in Parquet into BigQuery; each table's name and rows as they are loaded.

        Args:
            address: ``bigquery://PROJECT/DATASET``.
            begun: told how many rows there are, once that is known.

        Raises:
            UsageError, WarehouseUnavailable: as :func:`hilum.warehouse.bigquery.backfill.from_files`.
        """
        from hilum.warehouse.bigquery.backfill import from_files

        def counted(rows: int) -> None:
            self._audit("warehouse-copied", address)
            begun(rows)

        return from_files(self.root / "warehouse", address, counted)

    def doctor(self, *, deep: bool = False) -> Iterator[Finding]:
        """What is wrong with the home; with ``deep`` every artifact and instance is hashed again."""
        from hilum.engine.doctor import Doctor

        parts = (lambda: self.ledger, lambda: self.storage, lambda: self.warehouse)
        return Doctor(self.root, *parts, self.clock, deep=deep).examine()

    def doctor_google(self, *addresses: str) -> Iterator[Finding]:
        """What is wrong with the project on Google Cloud that this home's settings speak of; nothing is changed.

        Args:
            addresses: what an engine takes in: ``pubsub://PROJECT/SUBSCRIPTION``, ``gs://BUCKET``.
        """
        from hilum.app.google import examine
        from hilum.app.google.ask import Google
        from hilum.app.google.deployment import deployment

        return examine(Google(), deployment(self.settings, addresses), self.clock)

    def mend(self) -> list[str]:
        """Mend what can be mended safely; a line for each thing done."""
        from hilum.engine.mend import mend

        return mend(self.ledger, self.storage, self.clock, self._recorder())

    def quarantine(self, *, released: bool = False) -> list[Quarantined]:
        """What was refused and waits for somebody."""
        return self.ledger.quarantine(released=released)

    def release(self, entry: str, keep: str = "") -> Quarantined:
        """Settle a quarantine entry; a conflict needs ``keep`` ``old`` or ``new``."""
        from hilum.audit import audit
        from hilum.engine.decide import make_sure

        now = self.clock.now()
        make_sure(self.ledger, self.storage, entry, keep)

        def witness(released: Quarantined) -> Rows:
            return audit("quarantine-released", self.actor, now, what=[released.id], digest=released.digest)

        released = self.ledger.release(entry, keep, now, witness)
        self.record()
        return released
