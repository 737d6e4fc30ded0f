"""The alert policies that are deployed, as tests read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
POLICIES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted((MONITORING / "alerts").glob("*.json"))
}


def expression(name: str) -> str:
    """The PromQL of a policy's one condition."""
    (condition,) = POLICIES[name]["conditions"]
    query: str = condition["conditionPrometheusQueryLanguage"]["query"]
    return query


def rules() -> dict[str, Any]:
    """The policies as a file of Prometheus' own alert rules."""
    found = []
    for policy in POLICIES.values():
        (condition,) = policy["conditions"]
        asked = condition["conditionPrometheusQueryLanguage"]
        found.append(
            {
                "alert": asked["alertRule"],
                "expr": asked["query"],
                "for": asked["duration"],
                "labels": {"severity": policy["severity"].lower()},
                "annotations": {"summary": policy["displayName"]},
            }
        )
    return {"groups": [{"name": "hilum", "rules": found}]}
