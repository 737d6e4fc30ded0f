"""Tokens that are good for some objects only. Google's token service is stood in for by beds/tokens.py; the exchange
is made by Google's own library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from beds.tokens import ACCESS_TOKEN, EXCHANGE, OWN, TokenService, token_service
from hilum.errors import TerminalError, TransientError
from hilum.pipeline.cel import Program
from hilum.storage.gcs.credentials import READ, WRITE, Rule, Token, boundary, from_file

LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def service() -> Iterator[TokenService]:
    with token_service() as service:
        yield service


def allowed(rule: Rule, name: str) -> bool:
    """Whether CEL says so."""
    text = rule.condition.replace("resource.name", "resource_name")
    value = f"projects/_/buckets/{rule.bucket}/objects/{name}"
    return Program(text, {"resource_name": "string"}).true({"resource_name": value})


def test_a_boundary_is_as_google_documents_it() -> None:
    """ "Downscope credentials to restrict access to Cloud Storage", the access boundary's components."""
    made = boundary([Rule("scans", READ, names=("a",), prefixes=("in/b",))]).to_json()  # type: ignore[no-untyped-call]
    assert made == {
        "accessBoundary": {
            "accessBoundaryRules": [
                {
                    "availableResource": "//storage.googleapis.com/projects/_/buckets/scans",
                    "availablePermissions": ["inRole:roles/storage.objectViewer"],
                    "availabilityCondition": {
                        "expression": 'resource.name == "projects/_/buckets/scans/objects/a" || '
                        'resource.name.startsWith("projects/_/buckets/scans/objects/in/b")'
                    },
                }
            ]
        }
    }


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "é", "it's"])
def test_names_of_any_letters_are_named_and_no_others(name: str) -> None:
    rule = Rule("b", READ, names=(name,))
    assert allowed(rule, name)
    assert not allowed(rule, name + "x")
    assert not allowed(rule, "a")


def test_many_names_are_told_by_what_they_begin_with() -> None:
    rule = Rule("b", READ, names=tuple(f"in/series-{number}.dcm" for number in range(1000)))
    assert len(rule.condition) < 100
    assert allowed(rule, "in/series-7.dcm")
    assert not allowed(rule, "in/other.dcm")


def test_more_rules_than_google_takes_are_refused() -> None:
    with pytest.raises(TerminalError) as caught:
        boundary([Rule(f"bucket-{number}", READ, prefixes=("",)) for number in range(11)])
    assert caught.value.reason == "too-many-buckets"


def test_the_exchange_is_the_documented_one(service: TokenService) -> None:
    token = service.broker.mint([Rule("b", WRITE, prefixes=("out/",))])
    [asked] = service.asked
    assert asked.pop("options")
    assert asked == {
        "path": "/v1/token",
        "grant_type": EXCHANGE,
        "subject_token": OWN,
        "subject_token_type": ACCESS_TOKEN,
        "requested_token_type": ACCESS_TOKEN,
    }
    [rule] = service.given[token.text]
    assert rule["availablePermissions"] == ["inRole:roles/storage.objectUser"]
    assert timedelta(minutes=59) < token.expires - datetime.now(UTC) <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, TerminalError, "storage-credentials"),
        (503, TransientError, "credentials-unavailable"),
        (429, TransientError, "credentials-unavailable"),
    ],
)
def test_a_refusal_is_final_and_a_silence_is_not(
    service: TokenService, status: int, kind: type[Exception], reason: str
) -> None:
    service.status = status
    with pytest.raises(kind) as caught:
        service.broker.mint([Rule("b", READ, prefixes=("",))])
    assert getattr(caught.value, "reason", "") == reason
    assert OWN not in str(caught.value)


def test_a_token_is_in_no_representation() -> None:
    assert "secret" not in repr(Token("secret", LATER))


class TestFiles:
    def file(self, folder: Path, text: str, expires: datetime) -> Path:
        (folder / "token.json").write_bytes(Token(text, expires).data())
        return folder / "token.json"

    def test_credentials_are_what_the_file_says_now(self, tmp_path: Path) -> None:
        path = self.file(tmp_path, "first", datetime.now(UTC) + timedelta(minutes=30))
        credentials = from_file(path)
        credentials.refresh(None)  # type: ignore[no-untyped-call]
        assert credentials.token == "first"
        self.file(tmp_path, "second", LATER)
        credentials.refresh(None)  # type: ignore[no-untyped-call]
        assert credentials.token == "second"

    def test_a_token_that_ran_out_may_be_renewed_later(self, tmp_path: Path) -> None:
        credentials = from_file(self.file(tmp_path, "old", datetime(2020, 1, 1, tzinfo=UTC)))
        with pytest.raises(TransientError) as caught:
            credentials.refresh(None)  # type: ignore[no-untyped-call]
        assert caught.value.reason == "credentials-expired"

    def test_it_holds_the_token_and_its_end_and_nothing_else(self) -> None:
        assert json.loads(Token("t", LATER).data()) == {"token": "t", "expires": LATER.isoformat()}
