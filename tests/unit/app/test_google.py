"""Checks of a live project whose answers no emulator has: permissions, quotas, the clock, and what is no answer.

The server speaks as Google's reference of its REST APIs has it; see beds/google_answers.py for what that shows not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from beds.absent import GOOGLE, without
from beds.google_answers import Answers, google_answers
from hilum.app.google import examine
from hilum.app.google.ask import Google
from hilum.app.google.deployment import Deployment, deployment
from hilum.app.google.permissions import FILLS, READS, TAKES, WRITES, needed, permissions
from hilum.app.google.schema import differences
from hilum.app.google.surroundings import clock, quotas
from hilum.engine.doctor import Health
from hilum.errors import HilumError, UsageError
from hilum.kernel.clock import ManualClock, SystemClock
from hilum.settings import Settings
from hilum.warehouse.bigquery.address import Dataset

ALL = Deployment(
    incoming=("incoming",),
    results="results",
    subscriptions=("projects/p/subscriptions/s",),
    dead_letters="projects/p/topics/dead",
    dataset=Dataset("proj", "hilum"),
)


@pytest.fixture
def answers() -> Iterator[Answers]:
    with google_answers() as server:
        yield server


@pytest.fixture
def google(answers: Answers) -> Google:
    return Google(answers.hosts)


def series(quota: str, *values: bool) -> dict[str, object]:
    return {
        "metric": {"labels": {"quota_metric": quota}},
        "resource": {"labels": {"service": "pubsub.googleapis.com"}},
        "points": [{"value": {"boolValue": value}} for value in values],
    }


class TestDeployment:
    def test_it_is_what_settings_and_addresses_name(self) -> None:
        settings = Settings(
            store="gs://results/results",
            warehouse="bigquery://proj/hilum",
            dead_letters="projects/p/topics/dead",
        )
        assert deployment(settings, ["gs://incoming", "pubsub://proj/hilum-arrivals"]) == replace(
            ALL, subscriptions=("projects/proj/subscriptions/hilum-arrivals",)
        )

    @pytest.mark.parametrize(
        ("addresses", "reason"),
        [([], "nothing-to-examine"), (["/a/folder"], "bad-subscription"), (["gs://X"], "bad-bucket-address")],
    )
    def test_what_is_none_of_it_is_refused(self, addresses: list[str], reason: str) -> None:
        with pytest.raises(UsageError) as caught:
            deployment(Settings(), addresses)
        assert caught.value.reason == reason


class TestPermissions:
    def test_whoever_has_them_all_lacks_none(self, answers: Answers, google: Google) -> None:
        answers.had = {*READS, *WRITES, *TAKES, *FILLS, "pubsub.topics.publish", "bigquery.jobs.create"}
        assert [said for each in needed(ALL) for said in permissions(google, each)] == []
        assert [(method, path) for method, path, _ in answers.asked] == [
            ("GET", "/storage/v1/b/incoming/iam/testPermissions"),
            ("GET", "/storage/v1/b/results/iam/testPermissions"),
            ("POST", "/v1/projects/p/subscriptions/s:testIamPermissions"),
            ("POST", "/v1/projects/p/topics/dead:testIamPermissions"),
            ("POST", "/v1/projects/proj:testIamPermissions"),
            (
                "POST",
                "/bigquery/v2/projects/proj/datasets/hilum/tables/dicom_metadata_rows:testIamPermissions",
            ),
        ]

    @pytest.mark.parametrize("lost", [*READS, *WRITES, *TAKES, *FILLS])
    def test_a_lack_is_named(self, answers: Answers, google: Google, lost: str) -> None:
        answers.had = {*READS, *WRITES, *TAKES, *FILLS, "pubsub.topics.publish", "bigquery.jobs.create"} - {
            lost
        }
        found = [said for each in needed(ALL) for said in permissions(google, each)]
        assert found
        assert all(lost in said.message and said.health is Health.ERROR for said in found)


class TestQuotas:
    def test_each_that_was_used_up_is_named_once_whatever_page_it_is_on(
        self, answers: Answers, google: Google
    ) -> None:
        answers.series = [[series("fine", False)], [series("pulls", False, True)], [series("pulls", True)]]
        [found] = quotas(google, "p", SystemClock())
        assert found.message.startswith("pulls of pubsub.googleapis.com ")

    def test_none_is_nothing(self, google: Google) -> None:
        assert list(quotas(google, "p", SystemClock())) == []


class TestClock:
    @pytest.mark.parametrize(
        ("off", "health"), [(0, None), (30, Health.WARNING), (-30, Health.WARNING), (600, Health.ERROR)]
    )
    def test_a_clock_that_goes_wrong_is_seen(self, google: Google, off: int, health: Health | None) -> None:
        own = ManualClock(datetime.now(UTC) + timedelta(seconds=off))
        assert [said.health for said in clock(google, own)] == ([health] if health else [])


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (401, "google-refused"),
            (403, "google-refused"),
            (404, "google-missing"),
            (400, "google-answer"),
            (429, "google-unreachable"),
            (503, "google-unreachable"),
        ],
    )
    def test_what_is_no_answer_has_a_reason(
        self, answers: Answers, google: Google, status: int, reason: str
    ) -> None:
        answers.status = status
        with pytest.raises(HilumError) as caught:
            google.get("storage", "/storage/v1/b/incoming/iam/testPermissions", permissions=["a"])
        assert caught.value.reason == reason

    def test_a_server_that_is_not_there_is_unreachable(self) -> None:
        with pytest.raises(HilumError) as caught:
            Google({"storage": "http://127.0.0.1:9"}).time()
        assert caught.value.reason == "google-unreachable"

    @pytest.mark.parametrize("service", ["storage", "pubsub"])
    def test_without_googles_library_it_says_which_extra_is_missing(
        self, monkeypatch: pytest.MonkeyPatch, service: str
    ) -> None:
        without(monkeypatch, *GOOGLE)
        with pytest.raises(UsageError) as caught:
            Google({"storage": "http://127.0.0.1:1"}).get(service, "/")
        assert caught.value.reason == "extra-missing"
        assert "hilum[google]" in caught.value.hint

    def test_what_nobody_may_look_at_is_a_warning_and_not_sound(
        self, answers: Answers, google: Google
    ) -> None:
        answers.status = 403
        found = list(examine(google, replace(ALL, dataset=None), SystemClock()))
        assert {said.health for said in found if said.check != "clock"} == {Health.WARNING}


def test_columns_that_headers_brought_are_no_drift_and_lost_ones_are() -> None:
    def field(name: str, kind: str = "STRING", *inner: object) -> dict[str, object]:
        return {"name": name, "type": kind, "mode": "NULLABLE", **({"fields": [*inner]} if inner else {})}

    wanted = [field("a"), field("r", "RECORD", field("x"), field("y"))]
    assert list(differences(wanted, [*wanted, field("new")])) == []
    found = [field("a", "INTEGER"), field("r", "RECORD", field("x"))]
    assert list(differences(wanted, found)) == [
        "the column a is NULLABLE INTEGER, not NULLABLE STRING",
        "the column r.y is lacking",
    ]
