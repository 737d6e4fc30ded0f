"""Two contents under one SOP Instance UID: nobody guesses, somebody decides, and what was computed stays known."""

from __future__ import annotations

from pathlib import Path

import pytest

import hilum as api
from beds.commands import here
from beds.instances import write_conflict
from hilum.dicom.phantom import chest_ct
from hilum.engine.engine import RunReport
from hilum.kernel.digest import digest_file
from hilum.ledger.interface import RunInfo

PIPELINE = "name: check\nsteps:\n  qc: {uses: qc}\n"


class Ward:
    """A series of four slices of which one comes again with another pixel."""

    def __init__(self, folder: Path) -> None:
        self.scans, self.pipeline = folder / "scans", folder / "check.yaml"
        self.pipeline.write_text(PIPELINE)
        self.home = api.open(folder / "home")
        self.old = chest_ct(self.scans, slices=4, rows=16, columns=16).paths[1]
        self.run()
        self.new = write_conflict(self.scans / "zz-again.dcm", self.old)
        assert self.run().intake == {"unchanged": 4, "quarantined": 1}
        (self.entry,) = self.home.quarantine()

    def run(self) -> RunReport:
        return self.home.run(self.scans, pipelines=[self.pipeline])

    def release(self, keep: str) -> None:
        here("quarantine", "release", self.entry.id, "--keep", keep, home=self.home.root)

    def runs(self) -> list[RunInfo]:
        return sorted(self.home.runs(), key=lambda run: run.created_at)

    def digests(self) -> list[str]:
        found: list[str] = self.home.query("SELECT FileSHA256 FROM dicom_metadata").column(0).to_pylist()
        return found


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def test_a_conflict_is_quarantined_with_both_digests_and_changes_nothing(ward: Ward) -> None:
    assert ward.entry.reason == "conflicting-content"
    assert ward.entry.digest == digest_file(ward.new)
    assert ward.entry.known_digest == digest_file(ward.old)
    assert len(ward.runs()) == 1
    assert digest_file(ward.new) not in ward.digests()
    said = here("quarantine", "show", ward.entry.id, home=ward.home.root).out
    assert ward.entry.digest in said
    assert ward.entry.known_digest in said
    assert "--keep old" in said


def test_it_is_settled_only_by_saying_which_content_counts(ward: Ward) -> None:
    said = here("quarantine", "release", ward.entry.id, home=ward.home.root, code=2)
    assert "say --keep old or --keep new" in said.err
    assert ward.home.quarantine() == [ward.entry]


def test_keeping_the_old_content_changes_nothing_but_the_quarantine(ward: Ward) -> None:
    ward.release("old")
    assert ward.run().started == []
    assert ward.home.quarantine() == []
    (settled,) = ward.home.quarantine(released=True)
    assert settled.decision == "old"
    assert digest_file(ward.old) in ward.digests()
    assert len(ward.runs()) == 1


def test_keeping_the_new_content_makes_a_revision_whose_run_supersedes_the_old_one(ward: Ward) -> None:
    ward.release("new")
    (due,) = ward.home.plan([ward.pipeline])
    assert due.reasons == ("late-instances",)
    assert len(ward.run().started) == 1
    first, second = ward.runs()
    assert (first.state, first.current) == ("succeeded", False)
    assert (second.state, second.current, second.supersedes) == ("succeeded", True, first.id)
    assert first.revision != second.revision
    assert digest_file(ward.new) in ward.digests()
    assert digest_file(ward.old) not in ward.digests()
    assert "superseded  1 run" in here("status", home=ward.home.root).out
    said = here("quarantine", "release", ward.entry.id, "--keep", "old", home=ward.home.root, code=2)
    assert "nothing waits in the quarantine" in said.err


def test_lineage_tells_which_content_each_result_came_from(ward: Ward) -> None:
    ward.release("new")
    ward.run()
    rows = ward.home.query(
        "SELECT artifact_id AS id FROM artifacts WHERE step = 'qc' ORDER BY created_at"
    ).to_pylist()
    before, after = ({each["digest"] for each in ward.home.lineage(row["id"]).instances} for row in rows)
    assert before - after == {digest_file(ward.old)}
    assert after - before == {digest_file(ward.new)}
