"""What references mean, with a real engine and a real registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from beds.attempts import run
from beds.docker_engine import DockerEngine
from beds.engine_registry import ADDRESS, engine_registry
from beds.executor_suite import IMAGE, Bench
from beds.images import Image, docker_archive
from beds.registry import docker_config
from hilum.errors import HilumError, TransientError, UsageError
from hilum.executors.docker.engine import EngineGone
from hilum.executors.docker.images import LONGEST_TEXT, DockerImages
from hilum.model.work import AttemptOutcome

APP = json.dumps({"api-version": "0.1.0", "command": "run"})


@pytest.fixture(scope="module")
def loaded(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> DockerEngine:
    """The engine with one more image."""
    image = Image(
        "hilum-bed/labelled:1.0",
        {"/etc/app.json": APP, "/etc/large.json": "x" * (LONGEST_TEXT + 1), "/etc/folder/file": "x"},
        labels={"org.opencontainers.image.version": "1.0"},
    )
    engine.load(docker_archive(tmp_path_factory.mktemp("images") / "labelled.tar", image))
    return engine


@pytest.fixture
def address(loaded: DockerEngine, tmp_path: Path) -> Iterator[str]:
    """A registry's address."""
    with engine_registry(loaded, tmp_path / "registry") as address:
        yield address


def push(engine: DockerEngine, source: str, reference: str) -> str:
    """Put an image into a registry and forget it here; the digest that the registry gave it."""
    engine.docker("tag", source, reference)
    said = engine.docker("push", reference)
    engine.docker("rmi", reference)
    return said.rpartition("digest: ")[2].split()[0]


class TestImagesThatAreHere:
    def test_a_local_image_is_named_by_its_own_digest(self, loaded: DockerEngine) -> None:
        found = DockerImages(loaded.host).resolve("hilum-bed/labelled:1.0", "missing")
        identity = loaded.docker("inspect", "--format", "{{.Id}}", "hilum-bed/labelled:1.0").strip()
        assert (found.reference, found.digest) == ("hilum-bed/labelled:1.0", identity)
        assert found.labels == {"org.opencontainers.image.version": "1.0"}
        assert DockerImages(loaded.host).resolve(identity, "never").digest == identity

    def test_files_are_read_without_running_anything(self, loaded: DockerEngine) -> None:
        before = loaded.docker("ps", "--all", "--quiet")
        wanted = ["/etc/app.json", "/etc/absent.json", "/etc/folder", "/usr/bin/no/such"]
        found = DockerImages(loaded.host).resolve("hilum-bed/labelled:1.0", "never", wanted)
        assert found.facts == {"/etc/app.json": APP}
        assert loaded.docker("ps", "--all", "--quiet") == before

    def test_a_link_is_followed_within_the_image(self, loaded: DockerEngine) -> None:
        made = loaded.docker(
            *("run", "--detach", "--entrypoint", "/bin/sh", "hilum-bed/labelled:1.0", "-c"),
            'mkdir /app; cd /app; /usr/bin/python3 -c \'import os; os.symlink("../etc/app.json", "app.json")\'',
        ).strip()
        loaded.docker("wait", made)
        loaded.docker("commit", made, "hilum-bed/linked:1")
        loaded.docker("rm", made)
        found = DockerImages(loaded.host).resolve("hilum-bed/linked:1", "never", ["/app/app.json"])
        assert found.facts == {"/app/app.json": APP}

    def test_a_file_that_is_too_large_is_refused(self, loaded: DockerEngine) -> None:
        with pytest.raises(UsageError) as caught:
            DockerImages(loaded.host).resolve("hilum-bed/labelled:1.0", "never", ["/etc/large.json"])
        assert caught.value.reason == "image-file-too-large"

    def test_one_that_is_not_here_is_not_looked_for_elsewhere(self, loaded: DockerEngine) -> None:
        with pytest.raises(UsageError) as caught:
            DockerImages(loaded.host).resolve("hilum-bed/absent:1", "never")
        assert caught.value.reason == "image-missing"

    @pytest.mark.parametrize(
        "reference", ["", "upper/Case:1", "name:", "name@sha256:12", "a b", "-x", "http://x"]
    )
    def test_what_is_no_reference(self, loaded: DockerEngine, reference: str) -> None:
        with pytest.raises(UsageError) as caught:
            DockerImages(loaded.host).resolve(reference, "never")
        assert caught.value.reason == "bad-image-reference"


class TestRegistry:
    def test_the_registrys_digest_is_pinned_and_runs(
        self, loaded: DockerEngine, address: str, bench: Bench
    ) -> None:
        reference = f"{address}/steps:1"
        digest = push(loaded, IMAGE.name, reference)
        assert DockerImages(loaded.host).resolve(reference, "missing").digest == digest
        loaded.docker("rmi", reference)
        with bench.executor() as executor:
            never, missing = run(
                executor,
                bench.spec("sizes", reference=reference, digest=digest, pull="never"),
                bench.spec("sizes", reference=reference, digest=digest, pull="missing"),
            )
        assert never.reason == "image-missing"
        assert missing.outcome is AttemptOutcome.SUCCEEDED

    def test_a_tag_that_moved_is_seen_by_always_alone(self, loaded: DockerEngine, address: str) -> None:
        reference, images = f"{address}/moved:1", DockerImages(loaded.host)
        first = push(loaded, IMAGE.name, reference)
        assert images.resolve(reference, "missing").digest == first
        loaded.docker("tag", reference, f"{address}/kept:1")
        second = push(loaded, "hilum-bed/labelled:1.0", reference)
        loaded.docker("tag", f"{address}/kept:1", reference)
        assert first != second
        assert images.resolve(reference, "missing").digest == first
        assert images.resolve(reference, "always").digest == second
        assert images.resolve(f"{address}/moved@{first}", "always").digest == first

    def test_what_the_registry_does_not_have(self, loaded: DockerEngine, address: str) -> None:
        with pytest.raises(UsageError) as caught:
            DockerImages(loaded.host).resolve(f"{address}/absent:1", "missing")
        assert caught.value.reason == "image-missing"

    def test_credentials_come_from_where_docker_has_them(
        self, loaded: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with engine_registry(loaded, tmp_path / "registry") as address:
            digest = push(loaded, IMAGE.name, f"{address}/steps:1")
        with engine_registry(loaded, tmp_path / "registry", login=True) as address:
            monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
            with pytest.raises(HilumError) as caught:
                DockerImages(loaded.host).resolve(f"{address}/steps:1", "always")
            assert caught.value.reason == "image-refused"
            docker_config(tmp_path, address)
            assert DockerImages(loaded.host).resolve(f"{address}/steps:1", "always").digest == digest

    def test_a_registry_that_does_not_answer_may_later(self, loaded: DockerEngine) -> None:
        with pytest.raises(TransientError) as caught:
            DockerImages(loaded.host).resolve(f"{ADDRESS}/absent:1", "missing")
        assert caught.value.reason == "registry-unreachable"


def test_without_an_engine_there_is_an_answer(tmp_path: Path) -> None:
    with pytest.raises(EngineGone) as caught:
        DockerImages(f"unix://{tmp_path}/nothing.sock").resolve("a:1", "missing")
    assert "docker info" in caught.value.hint
