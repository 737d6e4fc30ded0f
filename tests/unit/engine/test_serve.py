"""An engine that serves waits for what is away, and does not serve on where another one leads."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import hilum
from hilum.engine.lead import ROLE, Leadership, LeadershipLost
from hilum.engine.serve import serve
from hilum.sources.folder import FolderSource

LEASE = 1.0
PATIENCE = 30.0
ME, OTHER = "here/1/a", "there/2/b"


def test_an_engine_whose_lead_another_took_ends(tmp_path: Path) -> None:
    (tmp_path / "check.yaml").write_text("name: check\nsteps: {qc: {uses: qc}}\n")
    (tmp_path / "inbox").mkdir()
    with hilum.open(tmp_path / "home", slots=1, workers=1) as home:
        engine = home.engine([tmp_path / "check.yaml"])
        leadership = Leadership(home.ledger, home.clock, ME, LEASE)
        end = time.monotonic() + PATIENCE

        def turn() -> None:
            taken = not leadership.leads
            while not taken:  # it may renew in between
                home.ledger.release_role(ROLE, ME)
                taken = home.ledger.acquire_role(ROLE, OTHER, home.clock.now(), LEASE)

        source = FolderSource([tmp_path / "inbox"], home.clock)
        with pytest.raises(LeadershipLost):
            serve(engine, [source], home.clock, lambda: time.monotonic() > end, turn, leadership)
        engine.close()
