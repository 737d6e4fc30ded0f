"""What the Helm chart renders to, by Helm itself, and that Hilum understands the settings in it. What an API server
says of it is in tests/cluster/test_chart.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from beds.chart import CHART, EXAMPLES, NAME, SMALLEST, one, pod_templates, rendered, values_file
from beds.helm import Helm, Refused
from hilum.executors.kubernetes import manifests
from hilum.pipeline.load import load_pipeline
from hilum.settings import Settings, load_settings
from hilum.steps.registry import StepRegistry
from hilum.version import __version__

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DOWNSCOPED = {"attempts": {"credentials": "downscoped"}}
TWO = "several engines need"


@pytest.fixture(params=[*EXAMPLES, None], ids=lambda path: path.stem if path else "smallest")
def values(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Values that people start from."""
    return request.param or values_file(tmp_path, SMALLEST)


def settings_of(objects: list[dict[str, Any]], home: Path) -> Settings:
    """What Hilum reads in the rendered hilum.toml."""
    (home / "hilum.toml").write_text(one(objects, "ConfigMap")["data"]["hilum.toml"])
    return load_settings(home, environment={})


def test_linter_finds_nothing(helm: Helm, values: Path) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART, "--values", values)


def test_hilum_understands_its_settings(helm: Helm, values: Path, tmp_path: Path) -> None:
    settings = settings_of(rendered(helm, values), tmp_path)
    assert settings.executor == "kubernetes"
    assert settings.kubernetes is not None
    assert settings.kubernetes.service_account == f"{NAME}-attempts"


def test_everything_reaches_the_executor(helm: Helm, tmp_path: Path) -> None:
    objects = rendered(
        helm,
        values_file(
            tmp_path,
            {
                **SMALLEST,
                "image": {"repository": "r/hilum", "digest": f"sha256:{'1' * 64}", "pullPolicy": "Always"},
                "store": {"bucket": "gs://bucket/p", "credentialsSecret": "key"},
                "watch": [{"claim": "inbox", "path": "/data/inbox"}],
                "env": {"A": "1", "QUOTED": 'a"b\\c'},
                "user": 1000,
                "engine": {
                    "still": 0.5,
                    "sweep": 7,
                    "workers": 3,
                    "logLevel": "debug",
                    "logFormat": "google",
                    "telemetry": "google",
                    "auditReads": True,
                },
                "attempts": {
                    "pods": 7,
                    "priorityClass": "low",
                    "queue": "imaging",
                    "startup": 1.5,
                    "kept": 60,
                    "blocked": 5,
                    "pending": 9,
                    "nodeSelector": {"example.com/pool": "a b"},
                    "gpuNodeSelector": {"example.com/card": "x"},
                    "tolerations": [{"key": "k", "operator": "Exists"}, {"effect": "NoSchedule"}],
                },
            },
        ),
    )
    settings = settings_of(objects, tmp_path)
    assert (settings.store, settings.lead, settings.health) == ("gs://bucket/p", True, ":8080")
    assert (settings.still, settings.sweep, settings.workers, settings.log_level) == (0.5, 7.0, 3, "debug")
    assert (settings.log_format, settings.telemetry, settings.audit_reads) == ("google", "google", True)
    cluster = settings.kubernetes
    assert cluster is not None
    assert (cluster.image, cluster.pull) == (f"r/hilum@sha256:{'1' * 64}", "Always")
    assert (cluster.pods, cluster.user, cluster.kept) == (7, 1000, 60)
    assert (cluster.startup, cluster.blocked, cluster.pending) == (1.5, 5, 9)
    assert (cluster.priority_class, cluster.queue) == ("low", "imaging")
    assert cluster.node_selector == {"example.com/pool": "a b"}
    assert cluster.gpu_node_selector == {"example.com/card": "x"}
    assert cluster.credentials == "own"
    assert [dict(each) for each in cluster.tolerations] == [
        {"key": "k", "operator": "Exists"},
        {"effect": "NoSchedule"},
    ]
    assert dict(cluster.env) == {
        "A": "1",
        "QUOTED": 'a"b\\c',
        "GOOGLE_APPLICATION_CREDENTIALS": "/etc/hilum/bucket/key.json",
    }
    assert [(dict(each.source), each.path, each.read_only) for each in cluster.volumes] == [
        ({"secret": {"secretName": "key"}}, "/etc/hilum/bucket", True),
        ({"persistentVolumeClaim": {"claimName": "inbox"}}, "/data/inbox", True),
    ]


def test_engine_has_what_its_attempts_have_under_the_same_paths(
    helm: Helm, values: Path, tmp_path: Path
) -> None:
    objects = rendered(helm, values)
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    sources = {volume.pop("name"): volume for volume in pod["volumes"]}
    mounts = {
        mount["mountPath"]: (sources[mount["name"]], mount.get("readOnly", False))
        for mount in pod["containers"][0]["volumeMounts"]
    }
    cluster = settings_of(objects, tmp_path).kubernetes
    assert cluster is not None
    for volume in cluster.volumes:
        assert mounts[volume.path] == (volume.source, volume.read_only)


def test_pipelines_are_where_the_settings_say(helm: Helm, tmp_path: Path) -> None:
    objects = rendered(helm, CHART / "examples" / "production.yaml")
    files = one(objects, "ConfigMap", f"{NAME}-pipelines")["data"]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        load_pipeline(tmp_path / name, StepRegistry())
    [mounted] = [
        mount["mountPath"]
        for mount in pod_templates(objects)["engine"]["spec"]["containers"][0]["volumeMounts"]
        if mount["name"] == "pipelines"
    ]
    assert settings_of(objects, tmp_path).pipelines == tuple(f"{mounted}/{name}" for name in files)


def test_network_policies_choose_the_pods_that_are_meant(helm: Helm) -> None:
    objects = rendered(helm, CHART / "examples" / "production.yaml")
    chosen = {
        each["metadata"]["name"]: each["spec"]["podSelector"]["matchLabels"].items()
        for each in objects
        if each["kind"] == "NetworkPolicy"
    }
    attempts = chosen[f"{NAME}-attempts"]
    assert attempts <= manifests.MANAGED.items()
    for template in pod_templates(objects).values():
        labels = template["metadata"]["labels"].items()
        assert chosen[f"{NAME}-engine"] <= labels
        assert not attempts <= labels


def test_attempts_with_a_shared_volume_reach_nothing(helm: Helm, tmp_path: Path) -> None:
    objects = rendered(helm, values_file(tmp_path, SMALLEST))
    policy = one(objects, "NetworkPolicy", f"{NAME}-attempts")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & policy.keys()


def test_one_engine_on_sqlite_neither_leads_nor_migrates_nor_rolls(helm: Helm, tmp_path: Path) -> None:
    objects = rendered(helm, CHART / "examples" / "trial.yaml")
    assert not settings_of(objects, tmp_path).lead
    assert set(pod_templates(objects)) == {"engine"}
    assert one(objects, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert "PodDisruptionBudget" not in {each["kind"] for each in objects}


def test_new_settings_restart_the_engines(helm: Helm, tmp_path: Path) -> None:
    def annotations(**values: Any) -> dict[str, str]:
        objects = rendered(helm, values_file(tmp_path, {**SMALLEST, **values}))
        found: dict[str, str] = one(objects, "Deployment")["spec"]["template"]["metadata"]["annotations"]
        return found

    assert annotations() == annotations()
    assert annotations() != annotations(attempts={"pods": 5})
    assert annotations() != annotations(pipelines={"a.yaml": "name: a"})
    assert annotations() != annotations(ledger={"url": "postgresql://host/name"})


def test_url_of_the_ledger_is_in_secrets_only(helm: Helm, tmp_path: Path) -> None:
    secret = "postgresql+psycopg://hilum:pass-word@db.example/hilum"
    objects = rendered(helm, values_file(tmp_path, {"ledger": {"url": secret}}))
    holders = [each for each in objects if "pass-word" in json.dumps(each)]
    assert {each["kind"] for each in holders} == {"Secret"}
    for component, template in pod_templates(objects).items():
        [variable] = [e for e in template["spec"]["containers"][0]["env"] if e["name"] == "HILUM_LEDGER"]
        reference = variable["valueFrom"]["secretKeyRef"]
        made = one(objects, "Secret", reference["name"])
        assert made["stringData"][reference["key"]] == secret
        hook = "helm.sh/hook" in made["metadata"].get("annotations", {})
        assert hook == (component == "migrate")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, TWO),
        ({"replicas": 2, **SMALLEST, "home": {"accessMode": "ReadWriteOnce"}}, TWO),
        ({"ledger": {"existingSecret": "a", "url": "postgresql://h/n"}}, "two addresses"),
        ({**SMALLEST, "replica": 2}, "replica"),
        ({**SMALLEST, "engine": {"loglevel": "info"}}, "loglevel"),
        ({**SMALLEST, "engine": {"resources": {"limits": {"memory": "4 GB"}}}}, "memory"),
        ({**SMALLEST, "image": {"digest": "sha256:12"}}, "digest"),
        ({**SMALLEST, "user": 0}, "user"),
        ({**SMALLEST, "store": {"bucket": "s3://bucket"}}, "bucket"),
        ({**SMALLEST, "watch": [{"claim": "inbox", "path": "inbox"}]}, "path"),
        ({**SMALLEST, "watch": [{"path": "/inbox"}]}, "claim"),
        ({**SMALLEST, "pipelines": {"../a.yaml": "x"}}, "../a.yaml"),
        ({**SMALLEST, "attempts": {"pods": 1.5}}, "pods"),
        ({**SMALLEST, "env": {"A": 1}}, "env"),
        ({"ledger": {"url": "sqlite:///a"}}, "url"),
        ({**SMALLEST, "cloudSql": {"instance": "name"}}, "instance"),
        ({"replicas": 1, "cloudSql": {"instance": "p:r:n"}}, "needs ledger.url"),
        ({**SMALLEST, "subscriptions": ["projects/p/subscriptions/s"]}, "subscriptions"),
        ({**SMALLEST, "attempts": {"credentials": "mine"}}, "credentials"),
        ({**SMALLEST, **DOWNSCOPED, "store": {"credentialsSecret": "key"}}, "must have no others"),
        ({**SMALLEST, **DOWNSCOPED, "attemptsServiceAccount": {"annotations": {"a": "b"}}}, "no others"),
        ({**SMALLEST, "networkPolicy": {"apiServer": {"ports": [0], "to": []}}}, "ports"),
    ],
)
def test_wrong_values_are_refused(helm: Helm, tmp_path: Path, values: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=re.escape(said)):
        rendered(helm, values_file(tmp_path, values))


def leaves(values: Any, at: str = "") -> Iterator[str]:
    """Dotted names of all values."""
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from leaves(value, f"{at}.{key}" if at else key)
    else:
        yield at


def schema_leaves(schema: dict[str, Any], at: str = "") -> Iterator[str]:
    if schema.get("additionalProperties") is False:
        for key, value in schema["properties"].items():
            reference = value.get("$ref", "").rpartition("/")[2]
            yield from schema_leaves(SCHEMA["$defs"].get(reference, value), f"{at}.{key}" if at else key)
    else:
        yield at


def test_schema_and_defaults_name_the_same_values() -> None:
    amounts = {f"{of}.resources.{kind}" for of in ("engine", "cloudSql") for kind in ("requests", "limits")}
    mapped = {
        name if not name.startswith((*amounts,)) else name.rpartition(".")[0] for name in leaves(VALUES)
    }
    assert mapped == set(schema_leaves(SCHEMA)) - {"global"}


def test_readme_names_values_that_there_are() -> None:
    text = (CHART / "README.md").read_text()
    known = {*leaves(VALUES), *VALUES, *(name.rpartition(".")[0] for name in leaves(VALUES))}
    named = {name for name in re.findall(r"`([a-z][A-Za-z.]+)`", text) if name.partition(".")[0] in VALUES}
    assert named <= known
    assert {name.partition(".")[0] for name in named} == set(VALUES)


def test_every_group_of_values_says_what_it_is() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    bare = [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if re.match(r"\w", line) and "#" not in before
    ]
    assert not [line for line in bare if line != "attemptsServiceAccount:"]


def test_version_is_hilums() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__


def test_notes_say_what_to_do_next(helm: Helm, values: Path) -> None:
    said = helm("install", "trial", CHART, "--values", values, "--dry-run=client", "--namespace", "imaging")
    assert f"kubectl -n imaging rollout status deployment/{NAME}" in said
    assert ("It watches nothing yet" in said) == (not yaml.safe_load(values.read_text()).get("watch"))
