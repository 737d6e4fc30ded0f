"""What is around a deployment and stops it now and then: a clock that is wrong, a quota that is used up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from hilum.app.google.ask import Google
from hilum.engine.doctor import Finding, Health
from hilum.kernel.clock import Clock

ASKEW, WRONG = timedelta(seconds=5), timedelta(minutes=1)
"""Google's date has whole seconds, and an answer takes a while; tokens of the future are refused."""
DAY = timedelta(days=1)
EXCEEDED = "serviceruntime.googleapis.com/quota/exceeded"
"""Cloud Monitoring's metric, true where a quota was used up (Google's documentation: "Chart and monitor quotas")."""


def clock(google: Google, own: Clock) -> Iterator[Finding]:
    """Whether this machine's clock is Google's."""
    off = abs(own.now() - google.time())
    if off > ASKEW:
        health = Health.ERROR if off > WRONG else Health.WARNING
        yield Finding("clock", health, f"{off.total_seconds():.0f} s away from Google's", "see to NTP")


def quotas(google: Google, project: str, own: Clock) -> Iterator[Finding]:
    """Which quotas of the project were used up within the last day."""
    now = own.now()
    asked = {
        "filter": f'metric.type = "{EXCEEDED}"',
        "interval.startTime": (now - DAY).isoformat(),
        "interval.endTime": now.isoformat(),
    }
    found, token = set(), ""
    while True:
        answer = google.get("monitoring", f"/v3/projects/{project}/timeSeries", **asked, pageToken=token)
        for series in answer.get("timeSeries", ()):
            if any(point["value"].get("boolValue") for point in series["points"]):
                found.add(
                    (series["resource"]["labels"]["service"], series["metric"]["labels"]["quota_metric"])
                )
        token = answer.get("nextPageToken", "")
        if not token:
            break
    for service, quota in sorted(found):
        yield Finding(
            "quotas",
            Health.WARNING,
            f"{quota} of {service} was used up within a day",
            "see IAM & Admin, Quotas & System Limits",
        )
