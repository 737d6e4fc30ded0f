"""Whom a token is shown. Google's Telemetry API itself is not here; that it takes what it documents is not shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from beds.serving import serving
from hilum.kernel.clock import SystemClock
from hilum.ops.cloud_trace import session
from hilum.ops.spans import read_span
from hilum.ops.telemetry import open_spans

GOOGLES = "https://telemetry.googleapis.com/v1/traces"
SIGNED = "urn:ietf:params:oauth:grant-type:jwt-bearer"
NOBODY = "http://127.0.0.1:9"


class Server(ThreadingHTTPServer):
    """Gives tokens for what a service account's key has signed, as Google's OAuth server does, and keeps the headers
    of whatever else comes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.given = 0
        self.shown: list[str | None] = []
        self.host = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        if self.path == "/token":
            assert parse_qs(body)["grant_type"] == [SIGNED]
            self.server.given += 1
        else:
            self.server.shown.append(self.headers.get("Authorization"))
        answer = json.dumps({"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """It is where the environment's credentials get their tokens."""
    with serving(Server()) as server:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        about = {"type": "service_account", "project_id": "p", "client_email": "e@p", "private_key": written}
        (tmp_path / "key.json").write_text(json.dumps({**about, "token_uri": f"{server.host}/token"}))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        yield server


def test_google_is_shown_a_token_of_the_environments_credentials(server: Server) -> None:
    googles = session(GOOGLES)
    assert googles is not None
    for _ in range(2):
        googles.post(f"{server.host}/v1/traces", data=b"spans")
    assert server.shown == ["Bearer a-token"] * 2
    assert server.given == 1


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "http://collector:4318/v1/traces",
        "http://telemetry.googleapis.com/v1/traces",
        "https://telemetry.googleapis.com.example.org/v1/traces",
        "https://example.org/telemetry.googleapis.com",
    ],
)
def test_nobody_else_is_shown_one(endpoint: str) -> None:
    assert session(endpoint) is None


def test_spans_that_go_to_google_ask_for_a_token_and_are_lost_where_nobody_answers(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way to Google is cut by a proxy that is not there."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", GOOGLES)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0.5")
    monkeypatch.setenv("HTTPS_PROXY", NOBODY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    told()
    assert server.given == 1


def test_without_credentials_spans_are_lost_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", GOOGLES)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0.5")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    told()


def told() -> None:
    opened = open_spans("google", SystemClock(), "test")
    assert opened is not None
    now = datetime(2026, 1, 1, tzinfo=UTC)
    opened[0].export([read_span("gs://b/a.dcm", "1", now, now, "")])
    opened[0].close()
