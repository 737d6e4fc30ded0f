"""Stands in for Kubernetes' API server where a real one cannot be made to do what a test is about: to lose an answer
between two objects of a Job, or to refuse one of them. It keeps objects, tells of them to whoever watches, and runs
nothing. tests/cluster has the real one.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from beds.serving import serving
from hilum.executors.kubernetes.manifests import HOME, JOB_INDEX, JOB_NAME

KINDS = {"jobs": "Job", "pods": "Pod", "configmaps": "ConfigMap", "secrets": "Secret", "events": "Event"}


@dataclass(frozen=True)
class Asked:
    """A request: verb as roles have it, kind, and the object's name where it has one."""

    verb: str
    kind: str
    name: str = ""


@dataclass(frozen=True)
class Refusal:
    """An answer in place of the true one. ``done``: the request is obeyed all the same, and only its answer lost."""

    status: int
    done: bool = False


class ApiServer(ThreadingHTTPServer):
    """``objects``: what there is, by kind and name. ``asked``: what was asked, watches left out. ``rule``: says which
    requests are refused."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.asked: list[Asked] = []
        self.rule: Callable[[Asked], Refusal | None] = lambda asked: None
        self.changed = threading.Condition()
        self.changes: list[tuple[str, str, dict[str, Any]]] = []
        self.closed = False

    def kubeconfig(self, folder: Path) -> Path:
        """A file that leads here."""
        path = folder / "kubeconfig"
        server = {"server": f"http://127.0.0.1:{self.server_port}"}
        context = {"cluster": "c", "user": "u", "namespace": "default"}
        config = {
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": server}],
            "contexts": [{"name": "c", "context": context}],
            "users": [{"name": "u", "user": {}}],
        }
        path.write_text(json.dumps(config))
        return path

    def named(self, kind: str) -> list[str]:
        """Names of the objects of a kind."""
        return [name for of, name in self.objects if of == kind]

    def pod(self, job: str, index: int = 0, **status: Any) -> str:
        """Give a Job a pod, or another state to the one that it has; the pod's name."""
        name = f"{job}-{index}"
        labels = {JOB_NAME: job, JOB_INDEX: str(index)}
        labels[HOME] = self.objects["Job", job]["metadata"]["labels"][HOME]
        spec = self.objects["Job", job]["spec"]["template"]["spec"]
        body = {"metadata": {"name": name, "labels": labels}, "spec": {**spec, "nodeName": "node"}}
        self.put("Pod", {**body, "status": {"phase": "Pending", **status}})
        return name

    def put(self, kind: str, body: dict[str, Any]) -> None:
        """An object is there, or is so now."""
        key = kind, body["metadata"]["name"]
        with self.changed:
            what = "MODIFIED" if key in self.objects else "ADDED"
            body["metadata"].setdefault("uid", str(uuid.uuid4()))
            self.objects[key] = body
            self.changes.append((what, kind, body))
            self.changed.notify_all()

    def take(self, kind: str, name: str) -> bool:
        """An object goes, and what it owns; whether there was one."""
        with self.changed:
            body = self.objects.pop((kind, name), None)
            if body is None:
                return False
            self.changes.append(("DELETED", kind, body))
            if kind == "Job":
                for of in ("ConfigMap", "Secret"):
                    self.objects.pop((of, name), None)
            self.changed.notify_all()
        return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ApiServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        kind, name = self._meant(url.path)
        query = parse_qs(url.query)
        if "watch" in query:
            self._watch(kind, int(query["resourceVersion"][0]))
        elif name:
            found = self.server.objects.get((kind, name))
            self._answer(Asked("get", kind, name), lambda: found or 404)
        else:
            with self.server.changed:
                items = [body for (of, _), body in self.server.objects.items() if of == kind]
                version = {"resourceVersion": str(len(self.server.changes))}
            self._answer(Asked("list", kind), lambda: {"metadata": version, "items": items})

    def do_POST(self) -> None:
        kind, _ = self._meant(urlsplit(self.path).path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["metadata"]["name"]

        def create() -> Any:
            if (kind, name) in self.server.objects:
                return 409
            self.server.put(kind, body)
            return body

        self._answer(Asked("create", kind, name), create)

    def do_PATCH(self) -> None:
        kind, name = self._meant(urlsplit(self.path).path)
        change = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = self.server.objects.get((kind, name))

        def merge() -> Any:
            if found is None:
                return 404
            self.server.put(kind, found | change)
            return found | change

        self._answer(Asked("patch", kind, name), merge)

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind, name = self._meant(urlsplit(self.path).path)
        self._answer(Asked("delete", kind, name), lambda: {} if self.server.take(kind, name) else 404)

    def _meant(self, path: str) -> tuple[str, str]:
        """Kind and name, from ``.../namespaces/<namespace>/<kind>[/<name>]``."""
        parts = path.partition("/namespaces/")[2].split("/")
        return KINDS[parts[1]], parts[2] if len(parts) > 2 else ""

    def _answer(self, asked: Asked, obey: Callable[[], Any]) -> None:
        self.server.asked.append(asked)
        refusal = self.server.rule(asked)
        answer = obey() if refusal is None or refusal.done else refusal.status
        self._say(refusal.status if refusal else answer)

    def _say(self, answer: Any) -> None:
        status = answer if isinstance(answer, int) else 200
        if status != 200:
            reason = "AlreadyExists" if status == 409 else ""
            answer = {"kind": "Status", "code": status, "reason": reason, "message": "so it is told"}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _watch(self, kind: str, since: int) -> None:
        """Every change of a kind since a version, until the server ends or the client goes."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.close_connection = True
        try:
            while not self.server.closed:
                with self.server.changed:
                    if len(self.server.changes) == since:
                        self.server.changed.wait(0.05)
                    new, since = self.server.changes[since:], len(self.server.changes)
                for what, of, body in new:
                    if of == kind:
                        self.wfile.write(json.dumps({"type": what, "object": body}).encode() + b"\n")
        except OSError:
            return

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@contextmanager
def api_server() -> Iterator[ApiServer]:
    """A server until the block ends."""
    with serving(ApiServer()) as server:
        try:
            yield server
        finally:
            server.closed = True
