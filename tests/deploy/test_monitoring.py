"""What is deployed for Cloud Monitoring, beside the API's own messages, Prometheus' checker and the table of
instruments. Whether an expression can become true is shown by tests/acceptance/test_alerts.py.

Not shown here: that Cloud Monitoring accepts a policy or a dashboard, and that a notification reaches anybody.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.cloud.monitoring_v3 import AlertPolicy

from beds.alerts import MONITORING, POLICIES, rules
from hilum.ops.instruments import INSTRUMENTS

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
SHOWN = {
    name
    for each in INSTRUMENTS.values()
    for name in (
        [f"{each.prometheus}_{part}" for part in ("bucket", "count", "sum")]
        if each.kind == "histogram"
        else [each.prometheus]
    )
}
LABELS = {name for each in INSTRUMENTS.values() for name in each.attributes} | {"instance", "le"}
WANTED = {
    *("arrivals-stalled", "settle-overdue", "dead-tasks", "quarantine-growing", "queue-wait"),
    *("out-of-memory", "warehouse-behind", "sweep-losses"),
}
COLUMNS = 48
"""Of a mosaic layout, at most (MosaicLayout)."""


def queries(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value[key] for key in ("query", "prometheusQuery") if isinstance(value.get(key), str)]
        return own + [query for each in value.values() for query in queries(each)]
    return [query for each in value for query in queries(each)] if isinstance(value, list) else []


def test_there_is_a_policy_for_each_condition_that_somebody_has_to_know_of():
    assert set(POLICIES) == WANTED


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_policy_is_the_apis_own_message(name):
    policy = AlertPolicy.from_json(json.dumps(POLICIES[name]))
    assert policy.combiner == AlertPolicy.ConditionCombinerType.OR
    assert policy.severity in (AlertPolicy.Severity.ERROR, AlertPolicy.Severity.WARNING)
    (condition,) = policy.conditions
    asked = condition.condition_prometheus_query_language
    assert asked.query
    assert asked.evaluation_interval.total_seconds() % 30 == 0, "a multiple of 30 seconds"
    assert asked.duration.total_seconds() % asked.evaluation_interval.total_seconds() == 0
    assert re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", asked.alert_rule), "a Prometheus label name"
    assert policy.documentation.mime_type == "text/markdown"
    assert len(policy.documentation.content) < 8192
    assert re.fullmatch("[a-z][a-z0-9_-]{0,62}", policy.user_labels["runbook"])


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_policy_names_its_runbook_which_is_there(name):
    told = POLICIES[name]["documentation"]["content"]
    page = ROOT / "docs" / "runbooks" / f"{name}.md"
    assert page.relative_to(ROOT).as_posix() in told
    text = page.read_text()
    for heading in ("## What it means", "## How to look", "## How to mend"):
        assert heading in text
    assert POLICIES[name]["conditions"][0]["conditionPrometheusQueryLanguage"]["query"] in text


@pytest.mark.parametrize("query", sorted(set(queries(DASHBOARD)) | set(queries(list(POLICIES.values())))))
def test_a_query_asks_for_metrics_and_labels_that_there_are(query):
    named = set(re.findall(r"\bhilum_[a-z_]+", query))
    assert named
    assert named <= SHOWN
    grouped = [word for words in re.findall(r"by \(([^)]*)\)", query) for word in re.split(r", *", words)]
    matched = re.findall(r"[{,]\s*([a-z]+)\s*=", query)
    assert {*grouped, *matched} <= LABELS


def test_policies_and_charts_pass_prometheus_own_checker_as_rules(promtool, tmp_path):
    charts = [{"record": f"chart:{n}", "expr": query} for n, query in enumerate(queries(DASHBOARD))]
    given = {"groups": [*rules()["groups"], {"name": "charts", "rules": charts}]}
    (tmp_path / "rules.json").write_text(json.dumps(given))
    done = subprocess.run(
        [promtool, "check", "rules", tmp_path / "rules.json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(POLICIES) + len(charts)} rules found" in done.stdout


def test_the_dashboard_has_the_fields_of_the_api_and_tiles_that_fit():
    assert set(DASHBOARD) <= {"displayName", "labels", "mosaicLayout"}
    layout = DASHBOARD["mosaicLayout"]
    assert layout["columns"] == COLUMNS
    taken: set[tuple[int, int]] = set()
    for tile in layout["tiles"]:
        assert set(tile) == {"xPos", "yPos", "width", "height", "widget"}
        cells = {
            (x, y)
            for x in range(tile["xPos"], tile["xPos"] + tile["width"])
            for y in range(tile["yPos"], tile["yPos"] + tile["height"])
        }
        assert not cells & taken, "tiles lie on one another"
        assert max(x for x, _ in cells) < COLUMNS
        taken |= cells
        chart = tile["widget"]["xyChart"]
        for part in chart["dataSets"]:
            assert set(part) == {"plotType", "targetAxis", "legendTemplate", "timeSeriesQuery"}
            assert set(part["timeSeriesQuery"]) <= {"prometheusQuery", "unitOverride"}


def test_the_dashboard_shows_what_every_alert_is_about():
    charts = " ".join(queries(DASHBOARD))
    for policy in POLICIES.values():
        (query,) = queries(policy)
        for name in re.findall(r"\bhilum_[a-z_]+", query):
            stem = "hilum_quarantine" if name == "hilum_quarantined_total" else name
            stem = "hilum_tasks" if name == "hilum_dead_tasks" else stem
            assert stem in charts
