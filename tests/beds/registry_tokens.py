"""Who gives tokens for a registry: it knows one user, and signs what the registry then checks for itself."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

IDENTITY_TOKEN = "an identity token"


class TokenServer(ThreadingHTTPServer):
    """Gives tokens while it serves.

    Attributes:
        certificate: of the key that signs, PEM.
        seen: how each token was asked for: ``basic``, ``identity`` or ``anonymous``.
    """

    daemon_threads = True
    issuer, service = "issuer of the tests", "registry of the tests"

    def __init__(self, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.realm = f"http://127.0.0.1:{self.server_port}/token"
        self.basic = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
        self.seen: list[str] = []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._certificate = self._certified()
        self.certificate = self._certificate.public_bytes(Encoding.PEM)

    def token(self, scope: str) -> str:
        """A token for a scope such as ``repository:name:pull``."""
        kind, name, actions = scope.split(":")
        now = int(datetime.now(UTC).timestamp())
        chain = b64encode(self._certificate.public_bytes(Encoding.DER)).decode()
        claims = {
            "iss": self.issuer,
            "sub": "",
            "aud": self.service,
            "exp": now + 300,
            "nbf": now - 10,
            "iat": now,
            "jti": token_hex(8),
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }
        signed = _part({"typ": "JWT", "alg": "RS256", "x5c": [chain]}) + "." + _part(claims)
        signature = self._key.sign(signed.encode(), PKCS1v15(), SHA256())
        return f"{signed}.{_text(signature)}"

    def _certified(self) -> x509.Certificate:
        now = datetime.now(UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
        builder = x509.CertificateBuilder(name, name, self._key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return builder.sign(self._key, SHA256())


class _Handler(BaseHTTPRequestHandler):
    server: TokenServer

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        given = self.headers.get("Authorization")
        if given not in (None, self.server.basic):
            return self._say(401, {})
        self.server.seen.append("basic" if given else "anonymous")
        actions = asked["scope"][0] if given else asked["scope"][0].rsplit(":", 1)[0] + ":none"
        return self._say(200, {"token": self.server.token(actions)})

    def do_POST(self) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if asked["grant_type"] != ["refresh_token"] or asked["refresh_token"] != [IDENTITY_TOKEN]:
            return self._say(401, {})
        self.server.seen.append("identity")
        return self._say(200, {"access_token": self.server.token(asked["scope"][0])})

    def _say(self, status: int, document: dict[str, Any]) -> None:
        self.send_response_only(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())


def _part(document: dict[str, Any]) -> str:
    return _text(json.dumps(document).encode())


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
