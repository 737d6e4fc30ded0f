"""What a home is made of: ledger, storage, warehouse, steps and engines. Each is opened when it is first used, so one
of them costs nothing of the others. Settings say which adapter each is (:mod:`hilum.app.adapters`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hilum.app import adapters
from hilum.kernel.address import is_local
from hilum.kernel.clock import Clock, SystemClock
from hilum.settings import Settings

if TYPE_CHECKING:
    from hilum.app.watching import Watching
    from hilum.audit import Actor, Witness
    from hilum.engine.engine import Engine
    from hilum.engine.observe import Observer
    from hilum.engine.recorder import Recorder
    from hilum.ledger.interface import Ledger
    from hilum.model.image import ImageResolver
    from hilum.pipeline.compiled import CompiledPipeline
    from hilum.pipeline.document import Pipeline
    from hilum.steps.registry import StepRegistry
    from hilum.storage import Storage
    from hilum.warehouse.interface import Warehouse


class Parts:
    """The parts of a home, and who put them together."""

    def __init__(self, root: Path, settings: Settings, clock: Clock | None = None) -> None:
        self.root = root
        self.settings = settings
        self.clock = clock or SystemClock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what was opened."""
        for part in ("_watching", "ledger", "warehouse"):
            opened = self.__dict__.pop(part, None)
            if opened is not None and hasattr(opened, "close"):
                opened.close()

    @property
    def ledger_url(self) -> str:
        """Where the ledger is."""
        return adapters.ledger_url(self.settings, self.root)

    @property
    def results(self) -> Path:
        """The tree of links to results, for people; see :attr:`links`."""
        return self.root / "results"

    @property
    def links(self) -> Path | None:
        """:attr:`results`; None where the store is in a bucket, whose objects no link leads to."""
        return self.results if is_local(self.storage.uri) else None

    @cached_property
    def actor(self) -> Actor:
        """Who acts here, for the audit."""
        from hilum.audit import person

        return person(self.settings.actor)

    @cached_property
    def ledger(self) -> Ledger:
        """The transactional truth."""
        from hilum.ledger import open_ledger

        return open_ledger(self.ledger_url)

    @cached_property
    def storage(self) -> Storage:
        """Revisions, artifacts and manifests."""
        return adapters.storage(self.settings, self.root)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The analytical record."""
        return adapters.warehouse(self.settings, self.root)

    @cached_property
    def registry(self) -> StepRegistry:
        """The steps that pipelines can use."""
        from hilum.steps.registry import StepRegistry

        return StepRegistry()

    def engine(
        self, pipelines: Iterable[str | Path | Pipeline] = (), observer: Observer | None = None
    ) -> Engine:
        """An engine on this home; close it after use."""
        return self._watched(self.pipelines(pipelines), observer)[0]

    def _watched(
        self, compiled: list[CompiledPipeline], observer: Observer | None
    ) -> tuple[Engine, Watching]:
        """An engine, and what is measured and told of it."""
        from hilum.app.watching import Watching
        from hilum.engine.engine import Engine
        from hilum.engine.readers import default_workers

        owner = f"{socket.gethostname()}/{os.getpid()}/{self.clock.now():%Y%m%dT%H%M%S%f}"
        watching = Watching(self.settings, self.ledger, self.clock, owner)
        has_images = [step.image for each in compiled for step in each.plan.steps]
        engine = Engine(
            ledger=self.ledger,
            warehouse=self.warehouse,
            storage=self.storage,
            executor=adapters.executor(self.settings, self.root, self.clock, images=any(has_images)),
            pipelines=compiled,
            clock=self.clock,
            owner=owner,
            memory_cap=self.settings.memory_bytes,
            results=self.links,
            observer=observer,
            readers=self.settings.workers or default_workers(),
            images=self.images if any(has_images) else None,
            watch=watching.watch,
            closing=watching.close,
        )
        return engine, watching

    @cached_property
    def images(self) -> ImageResolver:
        """Who knows what a reference to a container image means now."""
        return adapters.images(self.settings)

    def pipelines(self, given: Iterable[str | Path | Pipeline] = ()) -> list[CompiledPipeline]:
        """Pipelines checked and resolved: the given ones, else the settings', else the built-in default."""
        from hilum.pipeline.compiled import compile_pipeline
        from hilum.pipeline.default import default_pipeline
        from hilum.pipeline.load import load_pipeline

        wanted: list[str | Path | Pipeline] = list(given)
        wanted = wanted or [self.root / path for path in self.settings.pipelines]
        compiled = []
        for each in wanted:
            if isinstance(each, (str, Path)):
                path = Path(each)
                loaded = load_pipeline(path, self.registry)
                compiled.append(compile_pipeline(loaded, self.registry, path.absolute().parent, self.images))
            else:
                compiled.append(compile_pipeline(each, self.registry, Path.cwd(), self.images))
        return compiled or [compile_pipeline(default_pipeline(self.registry), self.registry)]

    def _witness(self, action: str) -> Witness[Sequence[str]]:
        """Tells the audit that whoever runs this did it to these ids."""
        from hilum.audit import audit

        return lambda ids: audit(action, self.actor, self.clock.now(), what=ids)

    def _audit(self, action: str, *asked: Any) -> None:
        """Tell the audit that whoever runs this asks for that; what cannot be audited is not done."""
        from hilum.audit import audit
        from hilum.kernel.digest import digest_json

        self.ledger.tell(audit(action, self.actor, self.clock.now(), digest=digest_json(asked)))

    def _recorder(self) -> Recorder:
        from hilum.engine.recorder import Recorder

        owner = f"{socket.gethostname()}/{os.getpid()}/record"
        parts = (self.ledger, self.warehouse, self.storage, self.clock, owner, self.links)
        if not self.settings.telemetry:
            return Recorder(*parts)
        return Recorder(*parts, recorded=self._watching.watch.recorded)

    @cached_property
    def _watching(self) -> Watching:
        """Where a process without an engine tells what it records."""
        from hilum.app.watching import Watching

        return Watching(
            self.settings, self.ledger, self.clock, f"{socket.gethostname()}/{os.getpid()}/record"
        )
