"""Results of attempts in a bucket: committed once, and whole, also when nobody can say whether they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from beds.attempts import Subject, plan, run
from beds.faults import Lost, Proxy, Refused, faulty
from beds.gcs import CloudStorage
from hilum.errors import TerminalError
from hilum.executors.outputs import Made, MadeFile, commit, read_manifest
from hilum.executors.process import ProcessExecutor
from hilum.kernel.clock import ManualClock
from hilum.model.keys import revision_object
from hilum.model.work import AttemptOutcome, TaskState
from hilum.storage import CreationInDoubt, Storage, open_storage
from hilum.storage.gcs import storage as adapter


@pytest.fixture
def proxy(bucket: str, cloud_storage: CloudStorage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with faulty(cloud_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        monkeypatch.setattr(adapter, "FIRST_WAIT", 0.01)
        yield proxy


@pytest.fixture
def store(bucket: str) -> Storage:
    return open_storage(f"gs://{bucket}/store")


def committed(store: Storage, subject: Subject, content: str, folder: Path) -> bytes:
    """Commit a file with this content as the result of one task, whoever asks."""
    folder.mkdir()
    (folder / "mask").write_text(content)
    files = (MadeFile("mask", "mask", "text/plain"),)
    made = Made("noop", "ab" * 32, {}, files, (), "2026-01-01T00:00:00+00:00")
    return commit(store, subject.spec(plan("noop")), made, folder, "here", ManualClock())


def test_a_commit_in_doubt_keeps_the_files_that_it_may_have_named(
    store: Storage, proxy: Proxy, tmp_path: Path
) -> None:
    subject = Subject(tmp_path / "subject")
    proxy.rule = lambda request: Lost() if request.number > 1 else None  # after the file
    with pytest.raises(CreationInDoubt):
        committed(store, subject, "first", tmp_path / "first")
    proxy.rule = lambda request: None
    manifest = read_manifest(committed(store, subject, "second", tmp_path / "second"))
    [artifact] = manifest.artifacts
    assert store.read(artifact.object) == b"first"
    assert len(list(store.list("tasks/"))) == 2


def test_a_commit_that_is_refused_leaves_nothing(store: Storage, proxy: Proxy, tmp_path: Path) -> None:
    proxy.rule = lambda request: Refused(403) if request.number == 2 else None
    with pytest.raises(TerminalError):
        committed(store, Subject(tmp_path / "subject"), "first", tmp_path / "first")
    assert list(store.list("tasks/")) == []


def test_an_attempt_finds_its_inputs_and_leaves_its_result_in_a_bucket(
    store: Storage, bucket: str, tmp_path: Path
) -> None:
    subject = Subject(tmp_path / "subject")
    members = subject.store.read(revision_object(subject.revision)).decode()
    for file in subject.files:
        uri = f"gs://{bucket}/in/{file.name.replace('#', '%23').replace(' ', '%20')}"
        members = members.replace(file.as_uri(), uri)
        open_storage(f"gs://{bucket}/in").put_file(file.name, file)
        file.unlink()
    store.create(revision_object(subject.revision), members.encode())
    executor = ProcessExecutor(tmp_path / "work", slots=1)
    try:
        spec = replace(subject.spec(plan("sizes")), store=store.uri)
        [first] = run(executor, spec)
        [second] = run(executor, replace(spec, id="g-ffffffffffffffff.1"))
    finally:
        executor.close()
    assert first.outcome is AttemptOutcome.SUCCEEDED, first
    [result], [again] = first.results, second.results
    assert (result.state, result.reused, again.reused) == (TaskState.SUCCEEDED, False, True)
    manifest = read_manifest(store.read(f"tasks/{result.task_key[:2]}/{result.task_key}/manifest.json"))
    for artifact in manifest.artifacts:
        assert store.read(artifact.object)
    assert manifest.artifacts
