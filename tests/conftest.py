"""What holds for every test: fixtures of the beds, and that under CI a skipped test is a failed one."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("beds.executor_suite")
pytest_plugins = [
    "beds.postgresql",
    "beds.gcs",
    "beds.bigquery",
    "beds.registry",
    "beds.pubsub",
    "beds.inbox",
    "beds.functions",
    "beds.prometheus",
    "beds.terraform.fixtures",
    "beds.google",
]

NO_SKIPS = os.environ.get("CI") == "true" or os.environ.get("HILUM_REQUIRE_BEDS") == "1"

# The machine may be busy, and a busy machine is no failure: examples are bounded in number, not in time.
settings.register_profile(
    "hilum", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("hilum")


HEAVY = {
    **dict.fromkeys(["docker_engine"], "docker"),
    **dict.fromkeys(["cluster", "helm"], "cluster"),
    **dict.fromkeys(["bigquery", "bigquery_server"], "cloud"),
    **dict.fromkeys(["cloud_storage", "bucket", "gcs", "registries"], "buckets"),
    **dict.fromkeys(["prometheus", "promtool"], "cloud"),
    **dict.fromkeys(["pubsub_server", "pubsub", "inbox", "serve_function"], "cloud"),
    **dict.fromkeys(["google_schema", "checkov"], "cloud"),
}
"""Marks of tests by what they need: a fixture, or the parameter that stands for it. See the Makefile."""
ON_GOOGLE = Path(__file__).parent / "on_google"
"""Tests that need a project on Google Cloud."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need a heavy bed are known by their fixtures, so none can be forgotten."""
    for item in items:
        if ON_GOOGLE in item.path.parents:
            item.add_marker("google")
            continue
        parameters = (
            item.callspec.params.values()
            if isinstance(item, pytest.Function) and hasattr(item, "callspec")
            else ()
        )
        needed = {*getattr(item, "fixturenames", ()), *(each for each in parameters if isinstance(each, str))}
        for name in sorted(needed & HEAVY.keys()):
            item.add_marker(HEAVY[name])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if NO_SKIPS and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{reason} - and nothing may be skipped here (CI=true or HILUM_REQUIRE_BEDS=1)"
