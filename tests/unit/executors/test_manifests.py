"""Attempts as Kubernetes objects: what an installation and a step ask for is in them, in Kubernetes' words. Whether a
cluster acts upon it (a graphics card, Kueue) is not shown here.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from hilum.executors.kubernetes import manifests
from hilum.executors.kubernetes.settings import KubernetesSettings, Volume
from hilum.model.image import ImagePlan, Security
from hilum.model.subject import Scope
from hilum.model.work import AttemptSpec, StepPlan

DIGEST = f"sha256:{'a' * 64}"
SETTINGS = KubernetesSettings(image="hilum:1")


def attempt(number: int = 1, settings: KubernetesSettings = SETTINGS, **image: Any) -> AttemptSpec:
    """An attempt at a step with an image."""
    plan = StepPlan(
        name="step",
        uses="",
        code={"image": DIGEST},
        image=ImagePlan(**{"reference": "registry.example:5000/a/b:1", "digest": DIGEST, **image}),
    )
    return AttemptSpec(
        id=f"g-{number:016x}.1",
        store="file:///store",
        revision="0" * 64,
        scope=Scope.SERIES,
        subject_id="s-1",
        steps=(plan,),
        memory=64 << 20,
        cpu=0.5,
        timeout=60.0,
    )


def job(settings: KubernetesSettings, *specs: AttemptSpec) -> dict[str, Any]:
    """The Job of these."""
    return manifests.job(manifests.pod_template(specs[0], settings), specs, settings, "home")


def step_of(pod: dict[str, Any]) -> dict[str, Any]:
    """The step's own container."""
    [step] = [each for each in pod["initContainers"] if each["name"] == manifests.STEP]
    found: dict[str, Any] = step
    return found


def test_where_pods_may_run_is_the_installations() -> None:
    toleration = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    settings = replace(
        SETTINGS, priority_class="low", node_selector={"pool": "imaging"}, tolerations=(toleration,)
    )
    pod = manifests.pod_template(attempt(), settings)
    assert (pod["priorityClassName"], pod["nodeSelector"]) == ("low", {"pool": "imaging"})
    assert pod["tolerations"] == [toleration]
    assert (
        not {"priorityClassName", "nodeSelector", "tolerations"}
        & manifests.pod_template(attempt(), SETTINGS).keys()
    )


def test_a_step_asks_for_what_it_may_use_and_gets_no_more() -> None:
    pod = manifests.pod_template(attempt(gpu=2, scratch=1 << 30), SETTINGS)
    wanted = {
        "cpu": "0.5",
        "memory": str(64 << 20),
        "nvidia.com/gpu": "2",
        "ephemeral-storage": str(1 << 30),
    }
    assert step_of(pod)["resources"] == {"requests": wanted, "limits": wanted}
    ours = [each for each in (*pod["initContainers"], *pod["containers"]) if each["name"] != manifests.STEP]
    assert all("nvidia.com/gpu" not in each["resources"]["limits"] for each in ours)


def test_a_queue_is_kueues_label_on_the_job_alone() -> None:
    made = job(replace(SETTINGS, queue="imaging"), attempt())
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "imaging"
    assert "kueue.x-k8s.io/queue-name" not in made["spec"]["template"]["metadata"]["labels"]
    assert "kueue.x-k8s.io/queue-name" not in job(SETTINGS, attempt())["metadata"]["labels"]


def test_pods_are_locked_up_as_the_restricted_standard_wants() -> None:
    pod = manifests.pod_template(attempt(), SETTINGS)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for each in (*pod["initContainers"], *pod["containers"]):
        context = each["securityContext"]
        assert (context["runAsNonRoot"], context["allowPrivilegeEscalation"]) == (True, False)
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"]


def test_storage_is_mounted_by_ours_alone() -> None:
    settings = replace(
        SETTINGS, volumes=(Volume({"persistentVolumeClaim": {"claimName": "store"}}, "/store"),)
    )
    pod = manifests.pod_template(attempt(), settings)
    by_name = {each["name"]: each for each in (*pod["initContainers"], *pod["containers"])}
    seen = {
        name: any(mount["name"] == "given-0" for mount in each["volumeMounts"])
        for name, each in by_name.items()
    }
    assert seen == {"stage": True, "step": False, "collect": True}


def test_the_step_runs_by_its_digest_whatever_became_of_its_tag() -> None:
    assert (
        step_of(manifests.pod_template(attempt(), SETTINGS))["image"] == f"registry.example:5000/a/b@{DIGEST}"
    )


def test_what_differs_in_its_pods_is_another_job_and_a_job_has_a_thousand_at_most() -> None:
    alike = [attempt(number) for number in range(1500)]
    other = attempt(2000, security=Security(network=True))
    sizes = [len(batch.specs) for batch in manifests.batches([*alike, other], SETTINGS, 2000)]
    assert sorted(sizes) == [1, 500, 1000]


def test_an_index_gets_one_pod_and_a_pod_has_an_end_of_its_own() -> None:
    made = job(SETTINGS, attempt(1), attempt(2))["spec"]
    assert (made["completionMode"], made["completions"], made["parallelism"]) == ("Indexed", 2, 2)
    assert (made["backoffLimitPerIndex"], made["template"]["spec"]["restartPolicy"]) == (0, "Never")
    assert made["template"]["spec"]["activeDeadlineSeconds"] == 60 + SETTINGS.startup
    assert made["ttlSecondsAfterFinished"] == SETTINGS.kept


def test_names_and_labels_hold_no_more_than_digests() -> None:
    spec = replace(attempt(), labels={"pipeline": "Jane Doe"}, subject_id="Jane Doe")
    assert "Jane" not in str(job(SETTINGS, spec))


class TestShards:
    """Attempts at light Python steps, of which a pod may have many."""

    def light(self, count: int, **plan: Any) -> list[AttemptSpec]:
        step = StepPlan(name="qc", uses="qc", code={}, **plan)
        return [replace(attempt(number), steps=(step,)) for number in range(count)]

    def test_few_have_a_pod_each_and_more_are_spread_over_the_room_that_there_is(self) -> None:
        per_pod = [manifests.batches(self.light(n), SETTINGS, room=10)[0].per_pod for n in (1, 10, 11, 95)]
        assert per_pod == [1, 1, 2, 10]

    def test_no_pod_has_more_than_its_most(self) -> None:
        settings = replace(SETTINGS, shard=7)
        batches = manifests.batches(self.light(5000), settings, room=715)
        assert {batch.per_pod for batch in batches} == {7}
        assert sum(len(batch.specs) for batch in batches) == 5000
        assert all(len(batch.specs) % 7 == 0 for batch in batches[:-1])
        assert max(len(batch.specs) for batch in batches) <= manifests.MOST_SHARDED

    def test_a_pod_has_the_time_and_the_memory_of_those_that_it_is_for(self) -> None:
        [batch] = manifests.batches(self.light(30), SETTINGS, room=10)
        [work] = batch.template["containers"]
        assert batch.template["activeDeadlineSeconds"] == 3 * 60 + SETTINGS.startup
        assert work["resources"]["limits"]["memory"] == str((64 << 20) + manifests.KEEPERS)
        assert work["command"][-1] == "hilum.executors.kubernetes.shard"

    def test_steps_that_are_heavy_or_have_an_image_share_nothing(self) -> None:
        [heavy] = manifests.batches(self.light(30, light=False), SETTINGS, room=1)
        [image] = manifests.batches([attempt(number) for number in range(30)], SETTINGS, room=1)
        assert (heavy.per_pod, image.per_pod) == (1, 1)
        assert (len(heavy.specs), len(image.specs)) == (1, 1)

    @pytest.mark.parametrize("room", [-3, 0])
    def test_where_there_is_no_room_there_is_no_job(self, room: int) -> None:
        assert manifests.batches([*self.light(3), attempt(9)], SETTINGS, room) == []

    @pytest.mark.parametrize("room", range(1, 12))
    def test_there_are_no_more_pods_than_there_is_room_for(self, room: int) -> None:
        kinds = [self.light(n, parameters={"n": n}) for n in (1, 3, 50)]
        specs = [spec for kind in kinds for spec in kind] + [attempt(number) for number in range(100, 103)]
        batches = manifests.batches(specs, replace(SETTINGS, shard=7), room)
        assert 0 < sum(len(batch.shards) for batch in batches) <= room
        assert all(len(shard) <= 7 for batch in batches for shard in batch.shards)

    def test_each_pod_finds_its_own_attempts(self) -> None:
        specs = self.light(5)
        body = manifests.config_map("uid", specs, "home", per_pod=2)
        found = manifests.specs_of(base64.b64decode(body["binaryData"][manifests.SPECS_FILE]))
        assert found == [specs[:2], specs[2:4], specs[4:]]
        assert manifests.job({"volumes": []}, specs, SETTINGS, "home", 2)["spec"]["completions"] == 3
