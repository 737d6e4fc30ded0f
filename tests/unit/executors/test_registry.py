"""What references mean in a real registry: digests, labels and texts, with every way of being let in."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from beds.faults import Changed, Cut, Lost, Refused, every, faulty
from beds.held import free_port
from beds.registry import (
    DOCKER_MANIFEST,
    INDEX,
    MANIFEST,
    PASSWORD,
    USER,
    Registries,
    Registry,
    docker_config,
    layer,
)
from beds.registry_tokens import IDENTITY_TOKEN
from hilum.errors import HilumError, TransientError, UsageError
from hilum.executors.registry import RegistryImages, client, images, layers
from hilum.executors.registry.credentials import credentials_for
from hilum.executors.registry.reference import Reference
from hilum.model.image import ResolvedImage

APP = "/etc/monai/app.json"
PKG = "/etc/monai/pkg.json"


@pytest.fixture
def registry(registries: Registries) -> Registry:
    return registries.open


@pytest.fixture
def nobody(tmp_path: Path) -> RegistryImages:
    """Who has no credentials."""
    return RegistryImages(tmp_path / "none", "amd64")


def refusal(resolver: RegistryImages, reference: str, *wanted: str) -> HilumError:
    with pytest.raises(HilumError) as caught:
        resolver.resolve(reference, "missing", wanted)
    return caught.value


class TestReferences:
    @pytest.mark.parametrize(
        ("text", "host", "repository", "tag"),
        [
            ("registry.example/lungs", "registry.example", "lungs", "latest"),
            ("registry.example:5000/a/b:1.2", "registry.example:5000", "a/b", "1.2"),
            ("localhost/a:1", "localhost", "a", "1"),
            ("python:3.12", "docker.io", "library/python", "3.12"),
            ("project/monai__deploy", "docker.io", "project/monai__deploy", "latest"),
        ],
    )
    def test_a_reference_is_read_as_docker_reads_it(
        self, text: str, host: str, repository: str, tag: str
    ) -> None:
        digest = "sha256:" + "0" * 64
        assert Reference.of(text) == Reference(host, repository, tag)
        assert Reference.of(f"{text}@{digest}") == Reference(host, repository, tag, digest)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "a b",
            "A",
            "a:",
            "a@",
            "a@sha256:1",
            "../a",
            "registry.example/",
            "r.example/a?b",
            "a/../b",
            "-r.x:y/a",
        ],
    )
    def test_what_is_no_reference_is_refused(self, text: str) -> None:
        with pytest.raises(UsageError) as caught:
            Reference.of(text)
        assert caught.value.reason == "bad-image-reference"

    def test_only_a_registry_of_this_machine_may_do_without_tls(self) -> None:
        assert Reference.of("127.0.0.1:5000/a").endpoint == "http://127.0.0.1:5000"
        assert Reference.of("127.0.0.1.example/a").endpoint == "https://127.0.0.1.example"


class TestDigests:
    @pytest.mark.parametrize("schema", [MANIFEST, DOCKER_MANIFEST])
    def test_a_tag_means_the_digest_of_its_manifest_and_has_its_labels(
        self, schema: str, registry: Registry, nobody: RegistryImages
    ) -> None:
        digest = registry.push("plain", "1", layer({"a": "b"}), Labels={"org.example": "yes"}, schema=schema)
        reference = f"{registry.name}/plain:1"
        expected = ResolvedImage(reference, digest, {"org.example": "yes"}, {})
        assert nobody.resolve(reference, "missing") == expected
        pinned = f"{registry.name}/plain@{digest}"
        assert nobody.resolve(pinned, "missing") == ResolvedImage(pinned, digest, {"org.example": "yes"}, {})

    def test_a_moved_tag_means_another_digest(self, registry: Registry, nobody: RegistryImages) -> None:
        reference = f"{registry.name}/moving:latest"
        before = registry.push("moving", "latest", layer({APP: "1"}))
        assert nobody.resolve(reference, "always", [APP]) == ResolvedImage(reference, before, {}, {APP: "1"})
        after = registry.push("moving", "latest", layer({APP: "2"}))
        assert nobody.resolve(reference, "always", [APP]) == ResolvedImage(reference, after, {}, {APP: "2"})
        assert before != after

    def test_of_an_image_for_several_platforms_this_machines_is_meant(
        self, registry: Registry, tmp_path: Path
    ) -> None:
        digests = {
            each: registry.push("many", each, layer({APP: each})) for each in ("amd64", "arm64", "windows")
        }
        platforms = [("linux", "amd64"), ("linux", "arm64"), ("windows", "s390x")]
        entries = [
            {
                "digest": digest,
                "size": 1,
                "mediaType": MANIFEST,
                "platform": {"os": system, "architecture": machine},
            }
            for digest, (system, machine) in zip(digests.values(), platforms, strict=True)
        ]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        named = registry.push_manifest("many", "1", index)
        for reference in (f"{registry.name}/many:1", f"{registry.name}/many@{named}"):
            for machine in ("amd64", "arm64"):
                found = RegistryImages(tmp_path / "none", machine).resolve(reference, "missing", [APP])
                assert (found.digest, found.facts) == (named, {APP: machine})
        error = refusal(RegistryImages(tmp_path / "none", "s390x"), f"{registry.name}/many:1")
        assert error.reason == "image-missing"
        assert "linux/s390x" in error.message

    def test_an_absent_image_is_missing(self, registry: Registry, nobody: RegistryImages) -> None:
        registry.push("there", "1", layer({}))
        for name in ("there:2", "nowhere:1", f"there@sha256:{'0' * 64}"):
            assert refusal(nobody, f"{registry.name}/{name}").reason == "image-missing"

    def test_with_pull_never_only_a_digest_says_what_is_meant_and_nobody_is_asked(
        self, nobody: RegistryImages
    ) -> None:
        reference = f"127.0.0.1:{free_port()}/a"
        digest = f"sha256:{'0' * 64}"
        assert nobody.resolve(f"{reference}@{digest}", "never").digest == digest
        with pytest.raises(UsageError) as caught:
            nobody.resolve(f"{reference}:1", "never")
        assert caught.value.reason == "image-missing"

    def test_what_is_known_already_costs_one_small_request(
        self, registry: Registry, nobody: RegistryImages
    ) -> None:
        registry.push("known", "1", layer({APP: "{}"}))
        with faulty(registry.host) as proxy:
            reference = f"{proxy.host.removeprefix('http://')}/known:1"
            assert nobody.resolve(reference, "missing", [APP]) == nobody.resolve(reference, "missing", [APP])
        assert [request.method for request in proxy.seen] == ["HEAD", "GET", "GET", "GET", "HEAD"]


class TestTexts:
    def texts(self, registry: Registry, resolver: RegistryImages, *layers: bytes) -> dict[str, str]:
        digest = registry.push("texts", "1", *layers)
        found = resolver.resolve(f"{registry.name}/texts@{digest}", "missing", [APP, PKG])
        return dict(found.facts)

    @pytest.mark.parametrize("compress", ["gzip", "zstd", "none"])
    def test_texts_are_read_out_of_layers_however_they_are_compressed(
        self, compress: str, registry: Registry, nobody: RegistryImages
    ) -> None:
        lower = layer(
            {"etc/monai": None, "etc/monai/app.json": "app", "./etc/monai/pkg.json": "pkg"}, compress
        )
        assert self.texts(registry, nobody, lower, layer({"other": "x"}, compress)) == {
            APP: "app",
            PKG: "pkg",
        }

    def test_the_upper_layer_counts(self, registry: Registry, nobody: RegistryImages) -> None:
        found = self.texts(
            registry, nobody, layer({APP: "old", PKG: "pkg"}), layer({APP: "new"}), layer({"x": "y"})
        )
        assert found == {APP: "new", PKG: "pkg"}

    @pytest.mark.parametrize(
        "upper",
        [
            {"etc/monai/.wh.app.json": ""},
            {"etc/.wh.monai": ""},
            {".wh.etc": ""},
            {"etc/monai/.wh..wh..opq": ""},
            {".wh..wh..opq": ""},
            {"etc/monai -> elsewhere": None},
            {"etc/monai/app.json -> pkg.json": None},
            {"etc": "a file where a folder was"},
            {"etc/monai/app.json": None},
        ],
        ids=str,
    )
    def test_what_an_upper_layer_hides_is_not_there(
        self, upper: dict[str, str | None], registry: Registry, nobody: RegistryImages
    ) -> None:
        assert APP not in self.texts(registry, nobody, layer({APP: "old"}), layer(upper))

    def test_what_replaces_a_hidden_folder_in_the_same_layer_is_there(
        self, registry: Registry, nobody: RegistryImages
    ) -> None:
        upper = layer({"etc/monai/.wh..wh..opq": "", "etc/monai/app.json": "new"})
        assert self.texts(registry, nobody, layer({APP: "old", PKG: "old"}), upper) == {APP: "new"}

    def test_lower_layers_are_not_fetched_once_everything_is_found(
        self, registry: Registry, nobody: RegistryImages
    ) -> None:
        lower = layer({"large": os.urandom(1 << 20)})
        registry.push("top", "1", lower, layer({APP: "app"}))
        with faulty(registry.host) as proxy:
            reference = f"{proxy.host.removeprefix('http://')}/top:1"
            assert nobody.resolve(reference, "missing", [APP]).facts == {APP: "app"}
        assert sum(request.answered for request in proxy.seen) < 100_000

    def test_a_layer_that_was_tampered_with_is_not_believed(
        self, registry: Registry, nobody: RegistryImages
    ) -> None:
        digest = registry.push("tampered", "1", layer({APP: "one"}, "none"))
        [described] = json.loads(registry.blob_file(digest).read_bytes())["layers"]
        registry.blob_file(described["digest"]).write_bytes(layer({APP: "two"}, "none"))
        assert refusal(nobody, f"{registry.name}/tampered:1", APP).reason == "image-unreadable"

    def test_a_manifest_that_was_tampered_with_is_not_believed(
        self, registry: Registry, nobody: RegistryImages
    ) -> None:
        digest = registry.push("forged", "1", layer({APP: "one"}))
        with faulty(registry.host) as proxy:
            spaced = {b'"schemaVersion": 2': b'"schemaVersion":  2'}
            proxy.rule = every(1, Changed(spaced, on_the_way_back=True))
            reference = f"{proxy.host.removeprefix('http://')}/forged@{digest}"
            assert refusal(nobody, reference).reason == "image-unreadable"

    @pytest.mark.parametrize(
        "broken", [b"no archive", layer({APP: "x" * 5000})[:-20], b"\x1f\x8b" + bytes(100), b""], ids=len
    )
    def test_a_layer_that_is_none_is_unreadable_or_empty(
        self, broken: bytes, registry: Registry, nobody: RegistryImages
    ) -> None:
        registry.push("broken", "1", broken)
        assert refusal(nobody, f"{registry.name}/broken:1", APP).reason == "image-unreadable"

    def test_limits_hold(
        self, registry: Registry, nobody: RegistryImages, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry.push("large", "1", layer({APP: "x" * (layers.LARGEST_FILE + 1)}))
        assert refusal(nobody, f"{registry.name}/large:1", APP).reason == "image-unreadable"
        registry.push("binary", "1", layer({APP: b"\xff\xfe"}))
        assert refusal(nobody, f"{registry.name}/binary:1", APP).reason == "image-unreadable"
        registry.push("many", "2", layer({"a": os.urandom(5000)}), layer({"b": os.urandom(5000)}))
        monkeypatch.setattr(images, "LOOKED_INTO", 8000)
        assert refusal(nobody, f"{registry.name}/many:2", APP).reason == "image-unreadable"
        registry.push("bomb", "1", layer({"zeros": bytes(1 << 20)}))
        monkeypatch.setattr(layers, "LARGEST_LAYER", 1 << 16)
        assert refusal(nobody, f"{registry.name}/bomb:1", APP).reason == "image-unreadable"


class TestBeingLetIn:
    @pytest.fixture(params=["htpasswd", "token"])
    def guarded(self, request: pytest.FixtureRequest, registries: Registries) -> Registry:
        registry: Registry = getattr(registries, request.param)
        registry.push("secret/lungs", "1", layer({APP: "app"}), Labels={"a": "b"})
        return registry

    def test_credentials_of_docker_open_a_registry(self, guarded: Registry, tmp_path: Path) -> None:
        resolver = RegistryImages(docker_config(tmp_path, guarded.name))
        found = resolver.resolve(f"{guarded.name}/secret/lungs:1", "missing", [APP])
        assert (found.labels, found.facts) == ({"a": "b"}, {APP: "app"})

    def test_they_are_found_where_docker_has_them(
        self, guarded: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        docker_config(tmp_path, guarded.name)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        assert RegistryImages().resolve(f"{guarded.name}/secret/lungs:1", "missing").labels == {"a": "b"}

    def test_a_helper_is_asked_for_them(
        self, guarded: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = json.dumps({"ServerURL": "x", "Username": USER, "Secret": PASSWORD})
        helper(tmp_path, f'test "$1" = get && test "$(cat)" = {guarded.name} && echo \'{said}\'', monkeypatch)
        for config in ({"credsStore": "tests"}, {"credHelpers": {guarded.name: "tests"}}):
            (tmp_path / "config.json").write_text(json.dumps(config))
            resolver = RegistryImages(tmp_path / "config.json")
            assert resolver.resolve(f"{guarded.name}/secret/lungs:1", "missing").labels == {"a": "b"}

    def test_without_or_with_wrong_credentials_access_is_refused(
        self, guarded: Registry, nobody: RegistryImages, tmp_path: Path
    ) -> None:
        wrong = RegistryImages(docker_config(tmp_path, guarded.name, password="wrong"))
        others = RegistryImages(docker_config(tmp_path, "registry.example"))
        for resolver in (nobody, wrong, others):
            error = refusal(resolver, f"{guarded.name}/secret/lungs:1")
            assert error.reason == "image-refused"
            assert "docker login" in error.hint

    def test_an_identity_token_is_exchanged(self, registries: Registries, tmp_path: Path) -> None:
        registries.token.push("secret/lungs", "1", layer({}), Labels={"a": "b"})
        auths = {registries.token.name: {"identitytoken": IDENTITY_TOKEN}}
        (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
        resolver = RegistryImages(tmp_path / "config.json")
        assert resolver.resolve(f"{registries.token.name}/secret/lungs:1", "missing").labels == {"a": "b"}
        assert registries.tokens.seen[-1] == "identity"

    def test_credentials_are_never_shown(self, tmp_path: Path) -> None:
        assert PASSWORD not in repr(credentials_for("r.example", docker_config(tmp_path, "r.example")))

    @pytest.mark.parametrize("text", ["no json", "[]", '{"auths": {"r.example": {"auth": "%%%"}}}'])
    def test_a_configuration_that_cannot_be_read_is_said_to_be_that(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(UsageError) as caught:
            credentials_for("r.example", tmp_path / "config.json")
        assert caught.value.reason == "image-refused"

    def test_a_helper_that_knows_nothing_or_is_not_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        helper(tmp_path, "echo credentials not found; exit 1", monkeypatch)
        (tmp_path / "config.json").write_text(json.dumps({"credsStore": "tests"}))
        assert credentials_for("r.example", tmp_path / "config.json") is None
        (tmp_path / "config.json").write_text(json.dumps({"credsStore": "absent"}))
        with pytest.raises(UsageError):
            credentials_for("r.example", tmp_path / "config.json")


class TestNetwork:
    def test_a_busy_registry_is_asked_again(self, registry: Registry, nobody: RegistryImages) -> None:
        registry.push("busy", "1", layer({APP: "app"}))
        with faulty(registry.host) as proxy:
            proxy.rule = every(2, Refused(503), Lost(), Refused(429))
            reference = f"{proxy.host.removeprefix('http://')}/busy:1"
            assert nobody.resolve(reference, "missing", [APP]).facts == {APP: "app"}
        assert proxy.faulted >= 3

    @pytest.mark.parametrize("fault", [Refused(503), Lost(), Cut(100)], ids=repr)
    def test_a_registry_that_stays_so_is_a_transient_failure(
        self,
        fault: Refused | Lost | Cut,
        registry: Registry,
        nobody: RegistryImages,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
        registry.push("broken", "2", layer({APP: os.urandom(5000)}))
        with faulty(registry.host) as proxy:
            proxy.rule = every(1, fault)
            error = refusal(nobody, f"{proxy.host.removeprefix('http://')}/broken:2", APP)
        assert (error.reason, error.transient) == ("registry-unreachable", True)

    def test_a_layer_that_breaks_off_is_a_transient_failure_and_no_damage(
        self, registry: Registry, nobody: RegistryImages
    ) -> None:
        registry.push("broken", "3", layer({APP: os.urandom(5000)}))
        with faulty(registry.host) as proxy:
            proxy.rule = lambda request: Cut(3000) if request.number == 4 else None  # the layer
            error = refusal(nobody, f"{proxy.host.removeprefix('http://')}/broken:3", APP)
        assert isinstance(error, TransientError)

    def test_nobody_there_is_a_transient_failure(
        self, nobody: RegistryImages, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
        assert refusal(nobody, f"127.0.0.1:{free_port()}/a").reason == "registry-unreachable"


def helper(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential helper named ``tests`` that does this."""
    program = folder / "docker-credential-tests"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
