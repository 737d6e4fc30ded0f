"""The chart on GKE: values-gke.yaml with what the production example of Terraform puts on top, rendered by Helm.
What GKE makes of it (Autopilot's nodes, Workload Identity, image streaming) is not shown here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml
from terraform import read

from beds.chart import CHART, one, pod_templates
from beds.helm import Helm
from beds.terraform.fixtures import ROOT
from hilum.executors.kubernetes import manifests
from hilum.executors.kubernetes.settings import KubernetesSettings
from hilum.kernel.trace import Sampling, sampling
from hilum.settings import load_settings

VALUES = CHART / "values-gke.yaml"
SAMPLES = {
    "module.ledger.instance": "project:europe-west4:hilum",
    "module.ledger.urls": "postgresql+psycopg://hilum-engine%40project.iam@127.0.0.1:5432/hilum",
    "module.identities.emails": "hilum-engine@project.iam.gserviceaccount.com",
    "module.registry.address": "europe-west4-docker.pkg.dev/project/hilum",
    "module.buckets.results": "project-hilum-results",
    "module.events.dead_letters": "projects/project/topics/hilum-dead-letters",
    "module.events.subscription_name": "hilum-arrivals",
    "module.warehouse.dataset": "project/hilum",
    "var.project": "project",
    "var.region": "europe-west4",
    "var.topic": "projects/project/topics/hilum-arrivals",
    "var.dead_letters": "projects/project/topics/hilum-dead-letters",
    'split("@", var.image)[0]': "hilum",
    'split("@", var.image)[1]': f"sha256:{'1' * 64}",
}
"""What the expressions in the example's output come to."""


def evaluated(value: Any) -> Any:
    """A value of the output with samples for its expressions."""
    if isinstance(value, dict):
        return {key.strip('"'): evaluated(inner) for key, inner in value.items() if key != "__is_block__"}
    if isinstance(value, list):
        return [evaluated(inner) for inner in value]
    text = re.sub(r'replace\((.*?), "\.", "/"\)', r"\1", str(value))
    for code, sample in SAMPLES.items():
        text = re.sub(r"\$\{" + re.escape(code) + r"(\[\"\w+\"\])?\}", sample, text)
    assert "${" not in text, text
    return text.strip('"')


@pytest.fixture
def objects(helm: Helm, tmp_path: Path) -> list[dict[str, Any]]:
    """The release ``hilum``, as the how-to installs it."""
    output = read(ROOT / "examples" / "production").named("output")["values"].body["value"]
    code = output.removeprefix("${yamlencode(").removesuffix(")}")
    (tmp_path / "values.json").write_text(json.dumps(evaluated(hcl2.loads(f"a = {code}\n")["a"])))
    text = helm("template", "hilum", CHART, "--values", VALUES, "--values", tmp_path / "values.json")
    return [each for each in yaml.safe_load_all(text) if each]


@pytest.fixture
def settings(objects: list[dict[str, Any]], tmp_path: Path) -> KubernetesSettings:
    (tmp_path / "hilum.toml").write_text(one(objects, "ConfigMap", "hilum")["data"]["hilum.toml"])
    found = load_settings(tmp_path, environment={})
    assert (found.store, found.lead) == ("gs://project-hilum-results/results", True)
    assert found.kubernetes is not None
    return found.kubernetes


def test_the_ledger_is_reached_through_a_proxy_beside_the_engine_and_its_migration(
    objects: list[dict[str, Any]],
) -> None:
    for template in pod_templates(objects).values():
        [proxy] = template["spec"]["initContainers"]
        assert proxy["restartPolicy"] == "Always"
        assert {"--auto-iam-authn", "--private-ip", SAMPLES["module.ledger.instance"]} <= set(proxy["args"])
        assert proxy["startupProbe"]["httpGet"]["path"] == "/startup"
    secret = one(objects, "Secret", "hilum-ledger")["stringData"]["url"]
    assert secret == SAMPLES["module.ledger.urls"]


def test_engine_and_migration_act_as_the_identity_that_terraform_bound(objects: list[dict[str, Any]]) -> None:
    text = (ROOT / "examples" / "production" / "main.tf").read_text()
    bound = set(re.findall(r'"\$\{var\.namespace\}/([\w-]+)" += "engine"', text))
    accounts = {each["metadata"]["name"]: each for each in objects if each["kind"] == "ServiceAccount"}
    annotated = {
        name: each["metadata"]["annotations"]["iam.gke.io/gcp-service-account"]
        for name, each in accounts.items()
        if "iam.gke.io/gcp-service-account" in each["metadata"].get("annotations", {})
    }
    assert annotated == dict.fromkeys(bound, SAMPLES["module.identities.emails"])
    used = {template["spec"]["serviceAccountName"] for template in pod_templates(objects).values()}
    assert used == bound


def test_traces_that_the_intake_function_begins_go_on_in_the_engine(
    objects: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "hilum.toml").write_text(one(objects, "ConfigMap", "hilum")["data"]["hilum.toml"])
    [container] = one(objects, "Deployment", "hilum")["spec"]["template"]["spec"]["containers"]
    engine = {each["name"]: each.get("value", "") for each in container["env"]}
    functions = read(ROOT / "modules" / "functions").of("locals")[0].body["functions"]
    intake = evaluated(functions["intake"]["environment"])
    where = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_RESOURCE_ATTRIBUTES")
    assert {name: engine[name] for name in where} == {name: intake[name] for name in where}
    for telemetry, environment in (
        (intake["HILUM_TELEMETRY"], intake),
        (load_settings(tmp_path, environment={}).telemetry, engine),
    ):
        assert sampling(telemetry, environment) == Sampling()
    assert engine["OTEL_METRICS_EXPORTER"] == "none"  # they are scraped


def test_attempts_have_no_identity_and_no_way_to_one(
    objects: list[dict[str, Any]], settings: KubernetesSettings
) -> None:
    assert settings.credentials == "downscoped"
    account = next(
        each
        for each in objects
        if each["kind"] == "ServiceAccount" and each["metadata"]["name"] == settings.service_account
    )
    assert "annotations" not in account["metadata"]
    assert account["automountServiceAccountToken"] is False
    egress = one(objects, "NetworkPolicy", "hilum-attempts")["spec"]["egress"]
    ports = {port["port"] for rule in egress for port in rule["ports"]}
    assert ports == {53, 443}, "the metadata server is at 80 and 988"
    assert not any("169.254" in json.dumps(rule) for rule in egress)


def test_the_engine_may_make_secrets_and_never_read_them(objects: list[dict[str, Any]]) -> None:
    rules = one(objects, "Role", "hilum")["rules"]
    verbs = {resource: set(rule["verbs"]) for rule in rules for resource in rule["resources"]}
    assert verbs["secrets"] == {"create", "patch"}


def test_the_engine_takes_arrivals_from_the_subscription(objects: list[dict[str, Any]]) -> None:
    [engine] = pod_templates(objects)["engine"]["spec"]["containers"]
    assert "--watch=pubsub://project/hilum-arrivals" in engine["command"]
    assert {"name": "HILUM_DEAD_LETTERS", "value": SAMPLES["module.events.dead_letters"]} in engine["env"]


def test_steps_with_a_graphics_card_ask_for_nodes_that_have_one(settings: KubernetesSettings) -> None:
    from hilum.model.image import ImagePlan
    from hilum.model.subject import Scope
    from hilum.model.work import AttemptSpec, StepPlan

    def selector(gpu: int) -> dict[str, str]:
        image = ImagePlan(reference="a/b:1", digest=f"sha256:{'a' * 64}", gpu=gpu)
        step = StepPlan(name="step", uses="", code={}, image=image)
        spec = AttemptSpec("g-1.1", "gs://b/s", "0" * 64, Scope.SERIES, "s-1", (step,))
        found: dict[str, str] = manifests.pod_template(spec, settings)["nodeSelector"]
        return found

    spot = {"cloud.google.com/gke-spot": "true"}
    assert selector(0) == spot
    assert selector(1) == {**spot, "cloud.google.com/gke-accelerator": "nvidia-l4"}


def test_pools_of_the_cluster_are_what_the_values_speak_of() -> None:
    pools = set(
        re.findall(r"^    (\w+) += \{ machine", (ROOT / "modules/cluster/variables.tf").read_text(), re.M)
    )
    named = set(re.findall(r"odeSelector: \{pool: (\w+)\}", VALUES.read_text()))
    assert named < pools
