"""Attempts as Kubernetes objects: what an installation and a step ask for is in them, in Kubernetes' words. Whether a
cluster acts upon it (a graphics card, Kueue) is not shown here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
    sizes = [len(specs) for _, specs in manifests.batches([*alike, other], SETTINGS)]
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
