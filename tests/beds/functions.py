"""Functions as the cloud runs them: the folder that is deployed, its pinned requirements and nothing else in an
environment of its own (made once, kept under their digest), and functions-framework's own server.

Between a bucket and a function there is Eventarc, which nobody can run here: :class:`Eventarc` stands in for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from beds.cache import made_once, uv
from beds.held import PATIENCE, HeldServer
from beds.pubsub import Lane

ROOT = Path(__file__).resolve().parents[2]
FINALIZED = "google.cloud.storage.object.v1.finalized"
CONCURRENCY = 32


def environment_of(name: str) -> Path:
    """Python with what a function's requirements.txt names."""
    requirements = ROOT / "functions" / name / "requirements.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]

    def make(place: Path) -> None:
        uv("venv", "--quiet", "--python", sys.executable, place / "venv")
        install = ("pip", "install", "--quiet", "--python", place / "venv" / "bin" / "python")
        uv(*install, "--require-hashes", "--compile-bytecode", "-r", requirements)

    return made_once(f"function-{digest}", make) / "venv" / "bin" / "python"


def built(destination: Path) -> Path:
    """The folders that are deployed."""
    runpy.run_path(str(ROOT / "tools" / "functions.py"))["build"](destination)
    return destination


class Function(HeldServer):
    """A function in one instance, up when this returns.

    Args:
        kind: ``cloudevent`` or ``http``, as the platform says it.
        variables: of its environment; else it has what is needed to find the emulators, and nothing of ours.
        before: what runs it, such as ``taskset``.
    """

    def __init__(
        self, folder: Path, kind: str, variables: Mapping[str, str], before: tuple[str, ...] = ()
    ) -> None:
        self.name = folder.name

        def command(_folder: Path, port: int) -> list[str | Path]:
            told = {
                **{name: value for name, value in os.environ.items() if name.endswith("EMULATOR_HOST")},
                "PATH": os.environ["PATH"],
                "HOME": "/nonexistent",
                "PORT": str(port),
                "HOST": "127.0.0.1",
                "FUNCTION_TARGET": self.name,
                "FUNCTION_SIGNATURE_TYPE": kind,
                "FUNCTION_SOURCE": str(folder / "main.py"),
                "THREADS": str(CONCURRENCY),
                **variables,
            }
            assigned = [f"{name}={value}" for name, value in told.items()]
            return ["env", "-i", *assigned, *before, environment_of(self.name), "-m", "functions_framework"]

        super().__init__(f"hilum-function-{self.name}-", command)

    def _wait(self, health: str) -> None:
        """It listens once it has loaded; whatever it is asked would be an event."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self._holder.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.said and not self.processes():
                break
            time.sleep(0.01)
        said = self.said
        self.stop()
        raise RuntimeError(f"the function did not come up:\n{said}")

    @property
    def said(self) -> str:
        """What it has written so far, on both streams."""
        log = self.folder / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    @property
    def events(self) -> list[dict[str, Any]]:
        """Its lines of JSON."""
        return [json.loads(line) for line in self.said.splitlines() if line.startswith("{")]

    def processes(self) -> list[int]:
        """The server's processes: the one that listens first."""
        found: list[int] = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"PORT={self.port}".encode() in (path / "environ").read_bytes().split(b"\0"):
                    found.append(int(path.name))
        return sorted(found)

    def call(self, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Status and text of the answer; 0 where there is none, or no whole one."""
        request = urllib.request.Request(
            self.host, data=body, headers={"Content-Type": "application/json", **(headers or {})}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, HTTPException):
            return 0, ""


@dataclass(frozen=True)
class CloudEvent:
    """An event as Eventarc sends it for an object of Cloud Storage (CloudEvents 1.0, HTTP protocol binding)."""

    data: Mapping[str, Any]
    kind: str = FINALIZED
    identifier: str = "1"

    @property
    def attributes(self) -> dict[str, str]:
        bucket, name = self.data.get("bucket", ""), self.data.get("name", "")
        return {
            "specversion": "1.0",
            "id": self.identifier,
            "type": self.kind,
            "source": f"//storage.googleapis.com/projects/_/buckets/{bucket}",
            "subject": f"objects/{name}",
            "time": str(self.data.get("timeCreated", "2026-01-01T00:00:00Z")),
        }

    def binary(self, function: Function) -> tuple[int, str]:
        """Sent with its attributes as headers."""
        headers = {f"ce-{name}": value for name, value in self.attributes.items()}
        return function.call(json.dumps(self.data).encode(), headers)

    def structured(self, function: Function) -> tuple[int, str]:
        """Sent as one document."""
        document = {**self.attributes, "datacontenttype": "application/json", "data": self.data}
        headers = {"Content-Type": "application/cloudevents+json"}
        return function.call(json.dumps(document).encode(), headers)


class Eventarc:
    """Stands in for Eventarc, which takes a bucket's notification, makes an event of it, and delivers it until the
    function answers with 2xx. Google's own can do more and is not shown here: transport, authentication, backoff.

    Args:
        lane: of the bucket's notifications.
        function: asked for each time, since it may be another one by then.
    """

    def __init__(self, lane: Lane, function: Callable[[], Function]) -> None:
        self._lane, self._function = lane, function
        self.delivered = self.failed = 0
        self._stream: Any = None

    def __enter__(self) -> Eventarc:
        from google.cloud import pubsub_v1

        control = pubsub_v1.types.FlowControl(max_messages=CONCURRENCY)
        self._lock = threading.Lock()
        self._stream = self._lane.subscriber.subscribe(self._lane.subscription, self._deliver, control)
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.cancel()
        self._stream.result(PATIENCE)

    def _deliver(self, message: Any) -> None:
        if message.attributes["eventType"] != "OBJECT_FINALIZE":
            message.ack()
            return
        event = CloudEvent(json.loads(message.data), identifier=message.message_id)
        status, _ = event.binary(self._function())
        with self._lock:
            self.delivered += 200 <= status < 300
            self.failed += not 200 <= status < 300
        if 200 <= status < 300:
            message.ack()
        else:
            time.sleep(0.2)
            message.nack()


@pytest.fixture(scope="session")
def function_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders that are deployed, built once."""
    return built(tmp_path_factory.mktemp("functions"))


@pytest.fixture
def serve_function(function_folders: Path) -> Iterator[Callable[..., Function]]:
    """Starts functions; they end with the test."""
    started: list[Function] = []

    def start(name: str, **variables: str) -> Function:
        kind = "cloudevent" if name == "intake" else "http"
        started.append(Function(function_folders / name, kind, variables))
        return started[-1]

    yield start
    for function in started:
        function.stop()
