"""The Helm chart for tests: where it is, and what it renders to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from beds.helm import Helm

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "hilum"
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))
RELEASE = "trial"
NAME = f"{RELEASE}-hilum"
SMALLEST = {"ledger": {"existingSecret": "ledger"}}
"""Values without which the chart's defaults cannot be installed."""


def values_file(folder: Path, values: Mapping[str, Any]) -> Path:
    """A file of values; JSON is YAML."""
    path = folder / "values.yaml"
    path.write_text(json.dumps(values))
    return path


def rendered(helm: Helm, values: Path, *arguments: str) -> list[dict[str, Any]]:
    """The objects of a release."""
    text = helm("template", RELEASE, CHART, "--values", values, *arguments)
    return [each for each in yaml.safe_load_all(text) if each]


def one(objects: list[dict[str, Any]], kind: str, name: str = NAME) -> dict[str, Any]:
    """The object of this kind and name."""
    [found] = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def pod_templates(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pods that objects make, by component."""
    templates = [each["spec"]["template"] for each in objects if each["kind"] in ("Deployment", "Job")]
    return {each["metadata"]["labels"]["app.kubernetes.io/component"]: each for each in templates}
