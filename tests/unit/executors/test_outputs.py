"""Collecting what a step wrote, and committing it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from beds.attempts import Subject, plan
from hilum.errors import StepError, TerminalError
from hilum.executors.outputs import Made, MadeFile, code_measurements, collect, commit, read_manifest
from hilum.kernel.clock import ManualClock
from hilum.model.keys import outputs_digest
from hilum.steps.api import Code, Measure, Output, Reading, Step, step
from hilum.steps.context import Context


def declaring(*outputs: Output) -> Step:
    @step("any", outputs=outputs, measurements=[Measure("volume", Code("118565006", "SCT", "Volume"), "mL")])
    def any_step(ctx: Context) -> None: ...

    return any_step


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


class TestCollecting:
    def test_a_file_belongs_to_the_first_output_that_it_fits(self, tmp_path: Path) -> None:
        write(tmp_path, "a.json", "b.json", "deep/c.json", "d.nii")
        outputs = Output("main", "b.json"), Output("all", "**/*.json", many=True)
        made, beside = collect(declaring(*outputs), tmp_path)
        assert [(file.name, file.path) for file in made] == [
            ("main", "b.json"),
            ("all", "a.json"),
            ("all", "deep/c.json"),
        ]
        assert beside == 1

    def test_an_optional_output_may_be_absent(self, tmp_path: Path) -> None:
        outputs = Output("a", "a", required=False), Output("b", "*.b", required=False, many=True)
        assert collect(declaring(*outputs), tmp_path) == ((), 0)

    @pytest.mark.parametrize("output", [Output("a", "a"), Output("a", "*.a", many=True)])
    def test_a_required_output_may_not(self, tmp_path: Path, output: Output) -> None:
        with pytest.raises(StepError) as caught:
            collect(declaring(output), tmp_path)
        assert caught.value.reason == "output-missing"

    def test_links_and_folders_are_no_outputs(self, tmp_path: Path) -> None:
        folder, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
        write(elsewhere, "secret.txt")
        (folder / "folder.txt").mkdir(parents=True)
        (folder / "file.txt").symlink_to(elsewhere / "secret.txt")
        (folder / "linked").symlink_to(elsewhere)
        made, _ = collect(declaring(Output("a", "**/*.txt", required=False, many=True)), folder)
        assert made == ()


class TestCommitting:
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        return Subject(tmp_path / "subject")

    def made(self, *paths: str) -> Made:
        files = tuple(MadeFile("mask", path, "application/octet-stream") for path in paths)
        return Made("noop", "ab" * 32, {}, files, (), "2026-01-01T00:00:00+00:00")

    def test_the_second_to_commit_takes_the_first_ones_result(self, subject: Subject, tmp_path: Path) -> None:
        manifests = []
        for folder, content in ((tmp_path / "first", "x"), (tmp_path / "second", "y")):
            write(folder, "mask")
            (folder / "mask").write_text(content)
            spec = subject.spec(plan("noop"))
            manifests.append(commit(subject.store, spec, self.made("mask"), folder, "here", ManualClock()))
        assert manifests[0] == manifests[1]
        assert subject.text(read_manifest(manifests[1]), "mask") == "x"
        assert len(list(subject.store.list("tasks/"))) == 2

    @pytest.mark.parametrize("path", ["link", "../outside", "absent"])
    def test_what_is_no_file_of_the_output_folder_is_never_stored(
        self, subject: Subject, tmp_path: Path, path: str
    ) -> None:
        folder = tmp_path / "out"
        write(folder, "mask")
        write(tmp_path, "outside")
        (folder / "link").symlink_to(tmp_path / "outside")
        with pytest.raises(TerminalError) as caught:
            commit(
                subject.store,
                subject.spec(plan("noop")),
                self.made("mask", path),
                folder,
                "here",
                ManualClock(),
            )
        assert caught.value.reason == "bad-output"
        assert list(subject.store.list("tasks/")) == []
        assert (tmp_path / "outside").exists()


def test_ids_of_measurements_follow_from_the_task_and_differ_by_place() -> None:
    readings = [Reading("volume", 1.0), Reading("volume", 1.0), Reading("volume", 1.0, "left")]
    found = code_measurements("k" * 64, declaring(), readings)
    assert len({measurement.id for measurement in found}) == 3
    assert found == code_measurements("k" * 64, declaring(), readings)
    assert (found[0].concept_code, found[0].unit) == ("118565006", "mL")


def test_equal_outputs_have_equal_digests_whatever_computed_them() -> None:
    first = code_measurements("a" * 64, declaring(), [Reading("volume", 1.0)])
    same = code_measurements("b" * 64, declaring(), [Reading("volume", 1.0)])
    other = (replace(first[0], value=2.0),)
    assert outputs_digest((), first) == outputs_digest((), same) != outputs_digest((), other)
