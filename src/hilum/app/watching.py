"""What is measured and told of an engine, put together from settings: its counts, its metrics, its telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hilum.engine.observe import Watch
from hilum.kernel.clock import Clock
from hilum.ops.metrics import HomeMetrics
from hilum.ops.tally import Tally
from hilum.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hilum.ledger.interface import Ledger
    from hilum.ops.telemetry import Telemetry

EXECUTORS = {"local": ("process", "docker"), "kubernetes": ("kubernetes",)}


class Watching:
    """Of one engine, until closed.

    Attributes:
        leads: whether the engine leads; whoever lets several serve a home says so here.
        watch: what the engine is given.
    """

    def __init__(self, settings: Settings, ledger: Ledger, clock: Clock, owner: str) -> None:
        self.leads: Callable[[], bool] = lambda: True
        tally = Tally(EXECUTORS[settings.executor])
        self.metrics = HomeMetrics(ledger, clock, tally, lambda: self.leads())
        self._telemetry: Telemetry | None = None
        if not settings.telemetry:
            self.watch = Watch(tally.finished)
            return
        from hilum.ops.telemetry import Telemetry

        self._telemetry = Telemetry(settings.telemetry, self.metrics, ledger, clock, owner)
        self.watch = Watch(tally.finished, self._telemetry.recorded, self._telemetry.sampling)

    def close(self) -> None:
        """Export what there is, and end."""
        if self._telemetry is not None:
            self._telemetry.close()
