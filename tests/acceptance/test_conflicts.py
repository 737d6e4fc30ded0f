"""Two contents under one SOP Instance UID: nobody guesses, somebody decides, and what was computed stays known."""

from __future__ import annotations

from pathlib import Path

import pytest

import hilum as api
from beds.commands import Said, here
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


class Changed:
    """A series of four slices of which one is changed where it lies. Everything is done with the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.scans, self.home = folder, folder / "scans", folder / "home"
        self.pipelines = [folder / "qc.yaml", folder / "intensity.yaml"]
        for pipeline in self.pipelines:
            pipeline.write_text(PIPELINE.replace("check", pipeline.stem).replace("qc", pipeline.stem))
        self.file = chest_ct(self.scans, slices=4, rows=16, columns=16).paths[1]
        self.bytes = self.file.read_bytes()
        self.run(self.scans)

    def run(self, *words: str | Path, second: bool = False, code: int = 0) -> Said:
        return here("run", *words, "--pipeline", self.pipelines[second], home=self.home, code=code)

    def change(self) -> None:
        write_conflict(self.file, self.file)

    def entry(self) -> str:
        (entry,) = here("quarantine", "list", "--json", home=self.home).json
        assert entry["reason"] == "conflicting-content"
        return str(entry["id"])

    def release(self, keep: str, code: int = 0) -> Said:
        return here("quarantine", "release", self.entry(), "--keep", keep, home=self.home, code=code)

    def instances(self, *words: str) -> dict[str, str]:
        """What the doctor says of them."""
        found = here("doctor", "--json", *words, home=self.home, code=None).json
        (said,) = [each for each in found if each["check"] == "instances"]
        return dict(said)

    def is_well(self) -> bool:
        """Whether a pipeline that is new here, or failed before, gets its input."""
        here("retry", home=self.home, code=None)
        done = self.run(self.scans, second=True, code=None)
        return done.code == 0 and self.instances("--deep")["health"] == "ok"


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    return Changed(tmp_path)


def test_content_that_was_overwritten_is_not_kept(changed: Changed) -> None:
    changed.change()
    changed.run(changed.scans, code=1)
    refused = changed.release("old", code=2)
    assert "is gone" in refused.err
    assert "say --keep new" in refused.err
    changed.release("new")
    changed.run(changed.scans)
    assert changed.is_well()


def test_content_that_was_put_back_elsewhere_is_kept(changed: Changed) -> None:
    changed.change()
    changed.run(changed.scans, code=1)
    assert "put the old file back, anywhere, run over it" in changed.release("old", code=2).err
    (changed.folder / "back").mkdir()
    (changed.folder / "back" / "1.dcm").write_bytes(changed.bytes)
    changed.run(changed.folder / "back")
    changed.release("old")
    assert changed.is_well()


def test_content_of_which_a_copy_is_known_is_kept(changed: Changed) -> None:
    (changed.scans / "copy.dcm").write_bytes(changed.bytes)
    changed.run(changed.scans)
    changed.change()
    changed.run(changed.scans, code=1)
    changed.release("old")
    assert changed.is_well()


def test_new_content_that_is_gone_again_is_not_put_in_force(changed: Changed) -> None:
    changed.change()
    changed.run(changed.scans, code=1)
    changed.file.write_bytes(changed.bytes)
    changed.run(changed.scans)
    assert "say --keep old" in changed.release("new", code=2).err
    changed.release("old")
    assert changed.is_well()


def test_a_task_whose_input_was_changed_says_what_leads_to_a_decision(changed: Changed) -> None:
    changed.change()
    changed.run(changed.scans, code=1)
    said = changed.run(changed.scans, second=True, code=1)
    assert "input-changed" in said.out
    assert "run over its folder with --verify and decide in `hilum quarantine list`" in said.out
    changed.run(changed.scans, "--verify", second=True, code=1)
    changed.release("new")
    assert changed.is_well()


def test_verifying_asks_again_where_what_was_kept_is_gone(changed: Changed) -> None:
    new = write_conflict(changed.scans / "new.dcm", changed.file)
    changed.run(changed.scans, code=1)
    changed.release("old")
    assert "4 unchanged" not in changed.run(changed.scans, "--verify").out
    changed.file.unlink()
    said = changed.run(changed.scans, second=True, code=1)
    assert "run over its new place with --verify" in said.out
    changed.run(changed.scans, "--verify", second=True, code=1)
    (entry,) = here("quarantine", "list", "--json", home=changed.home).json
    assert entry["uri"] == new.as_uri()
    changed.release("new")
    assert changed.is_well()


def test_the_doctor_sees_a_changed_file_without_reading_the_others(changed: Changed) -> None:
    assert changed.instances()["health"] == "ok"
    changed.change()
    said = changed.instances()
    assert (said["health"], said["message"]) == ("warning", "1 file with other bytes now")
    changed.run(changed.scans, "--verify", code=1)
    changed.release("new")
    changed.run(changed.scans)
    assert changed.instances()["health"] == "ok"


def test_a_file_that_was_only_touched_is_well(changed: Changed) -> None:
    changed.file.touch()
    assert changed.instances()["health"] == "ok"
    assert changed.is_well()


def test_an_instance_whose_file_became_another_is_found_where_it_is_put_back(changed: Changed) -> None:
    other = chest_ct(changed.folder / "other", slices=4, rows=16, columns=16, seed=2).paths[1]
    changed.file.write_bytes(other.read_bytes())
    changed.run(changed.scans)
    assert changed.instances()["message"] == "1 file with other bytes now"
    said = changed.run(changed.scans, second=True, code=1)
    assert "or put the old file back, anywhere, run over it and retry" in said.out
    (changed.folder / "back").mkdir()
    (changed.folder / "back" / "1.dcm").write_bytes(changed.bytes)
    changed.run(changed.folder / "back", second=True, code=1)
    assert changed.is_well()


def test_a_copy_that_is_known_takes_the_place_of_a_file_that_is_gone(changed: Changed) -> None:
    (changed.scans / "copy.dcm").write_bytes(changed.bytes)
    changed.run(changed.scans)
    changed.file.unlink()
    said = changed.run(changed.scans, second=True, code=1)
    assert "run over its new place with --verify" in said.out
    changed.run(changed.scans, "--verify", second=True, code=1)
    assert changed.is_well()
