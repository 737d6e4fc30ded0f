"""Attempts as Kubernetes objects: Jobs, each with a ConfigMap that says what its attempts are, and with a Secret
where they have credentials of their own.

Attempts whose pods would be the same share an Indexed Job, so that the API server sees few objects; a pod finds its
attempts in the ConfigMap by its index. A ConfigMap rather than an object in storage, since it goes when its Job goes,
and rather than a variable, since a thousand pods would each carry all of it.

    init container stage     inputs from storage into the attempt's folder     storage
    init container step      the step's image, as it is                        its three folders, nothing else
    container collect        outputs to storage, and the commit                storage

Python steps have one container, ``work``, of Hilum's image. Light ones take less than a pod does, so many attempts at
them may share one: a shard.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hilum.executors.kubernetes.settings import DOWNSCOPED, KubernetesSettings
from hilum.executors.staged import ImageStep
from hilum.kernel.digest import short_id
from hilum.model.codec import from_json, to_json
from hilum.model.image import ImagePlan, Security
from hilum.model.work import AttemptSpec
from hilum.storage.gcs.credentials import TOKEN_FILE as TOKEN_VARIABLE

HOME = "hilum.dev/home"
MANAGED = {"app.kubernetes.io/managed-by": "hilum"}
JOB_NAME = "batch.kubernetes.io/job-name"
JOB_INDEX = "batch.kubernetes.io/job-completion-index"
NETWORK = "hilum.dev/network"
"""A label of pods whose step may reach the network, for network policies to choose them by."""
QUEUE = "kueue.x-k8s.io/queue-name"

STAGE, STEP, COLLECT, WORK = "stage", "step", "collect", "work"
SHARD = "shard"
"""The program of the container ``work`` where it is for many attempts."""
FOLDER = "/hilum-attempt"
SPECS = "/hilum-specs"
SPECS_FILE = "attempts.json.gz"
TOKEN = "/hilum-token"
TOKEN_FILE_NAME = "token.json"
MOST_INDEXES = 1000
MOST_SHARDED = 2000
"""Attempts in a Job whose pods have several: a ConfigMap holds 1 MiB."""
KEEPERS = 256 << 20
"""Bytes for the processes that watch over a shard's attempts, beside what one attempt may use."""
GRACE = 1
"""Seconds between SIGTERM and SIGKILL: nothing in a pod has anything to save, a commit is there or not."""

PULL = {"never": "Never", "missing": "IfNotPresent", "always": "Always"}
OURS = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
"""What staging and collecting get. A pod is given the most that any one of its containers asks for, not the sum."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Attempts that share a Job, and the template of their pods; of the attempts each pod has so many, in order."""

    template: dict[str, Any]
    specs: Sequence[AttemptSpec]
    per_pod: int = 1

    @property
    def shards(self) -> list[Sequence[AttemptSpec]]:
        """The attempts of each pod."""
        return shards_of(self.specs, self.per_pod)


def batches(specs: Sequence[AttemptSpec], settings: KubernetesSettings, room: int) -> list[Batch]:
    """Attempts as few Jobs, first come, first served. What there is no room for is in none of them.

    One that is told its place in a trace has a variable of its own, so it has a Job of its own; so has one with
    credentials, since a Secret is its Job's.

    Args:
        room: pods that there may be. Light attempts are spread over those that are left when it is their turn.
    """
    alike: dict[str, tuple[dict[str, Any], list[AttemptSpec]]] = {}
    for spec in specs:
        template = pod_template(spec, settings)
        mark = json.dumps([template, _labels(spec)], sort_keys=True)
        alike.setdefault(mark, (template, []))[1].append(spec)
    found = []
    light = sum(map(is_light, specs))
    for template, same in alike.values():
        share, per_pod = max(0, room), 1
        if is_light(same[0]) and share:
            share = max(1, share * len(same) // light)
            light -= len(same)
            per_pod = min(settings.sharing, math.ceil(len(same) / share))
        if per_pod > 1:
            template = pod_template(same[0], settings, per_pod)
        same = same[: share * per_pod]
        room -= math.ceil(len(same) / per_pod)
        most = MOST_INDEXES if per_pod == 1 else MOST_SHARDED // per_pod * per_pod
        if settings.credentials == DOWNSCOPED:
            most = 1
        found += [Batch(template, same[begin : begin + most], per_pod) for begin in range(0, len(same), most)]
    return found


def is_light(spec: AttemptSpec) -> bool:
    """Whether an attempt may share a pod: all of its steps are Python and say that they are light."""
    return all(step.light and step.image is None for step in spec.steps)


def job_name(home: str, specs: Sequence[AttemptSpec]) -> str:
    """Follows from home and attempts, so that making a Job twice makes one. Attempts' ids follow from content, so two
    homes with the same instances have the same ids, and a namespace may have several homes."""
    return short_id("hilum", home, *(spec.id for spec in specs))


def job(
    template: Mapping[str, Any],
    specs: Sequence[AttemptSpec],
    settings: KubernetesSettings,
    home: str,
    per_pod: int = 1,
) -> dict[str, Any]:
    """The Job of these attempts. Each gets one pod and no second one: trying again is the engine's business."""
    pods = math.ceil(len(specs) / per_pod)
    name, labels = job_name(home, specs), {**MANAGED, HOME: home}
    pod = {
        "metadata": {"labels": {**labels, **_labels(specs[0])}},
        "spec": {**template, "volumes": [*template["volumes"], *_own_volumes(name, settings)]},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": {**labels, **({QUEUE: settings.queue} if settings.queue else {})},
        },
        "spec": {
            "completionMode": "Indexed",
            "completions": pods,
            "parallelism": pods,
            "backoffLimitPerIndex": 0,
            "ttlSecondsAfterFinished": settings.kept,
            "template": pod,
        },
    }


def config_map(job_uid: str, specs: Sequence[AttemptSpec], home: str, per_pod: int = 1) -> dict[str, Any]:
    """What the pods of a Job are to do, by index; it belongs to the Job and goes with it."""
    shards = [[to_json(spec) for spec in shard] for shard in shards_of(specs, per_pod)]
    data = gzip.compress(json.dumps(shards, separators=(",", ":")).encode(), mtime=0)
    content = {"binaryData": {SPECS_FILE: base64.b64encode(data).decode()}, "immutable": True}
    return {**_of_the_job("ConfigMap", job_uid, job_name(home, specs), home), **content}


def secret(job_uid: str, specs: Sequence[AttemptSpec], home: str, token: bytes) -> dict[str, Any]:
    """The credentials of a Job's attempt, for its containers of ours alone; they go with the Job."""
    content = {"data": {TOKEN_FILE_NAME: base64.b64encode(token).decode()}}
    return {**_of_the_job("Secret", job_uid, job_name(home, specs), home), **content}


def _of_the_job(kind: str, job_uid: str, name: str, home: str) -> dict[str, Any]:
    """An object under its Job's name that goes when the Job goes; without its content."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job_uid}
    labels = {**MANAGED, HOME: home}
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "labels": labels, "ownerReferences": [owner]},
    }


def shards_of(specs: Sequence[AttemptSpec], per_pod: int) -> list[Sequence[AttemptSpec]]:
    """The attempts of each pod."""
    return [specs[begin : begin + per_pod] for begin in range(0, len(specs), per_pod)]


def specs_of(data: bytes) -> list[list[AttemptSpec]]:
    """The attempts of each pod that a ConfigMap's file tells of."""
    return [[from_json(AttemptSpec, each) for each in shard] for shard in json.loads(gzip.decompress(data))]


def _labels(spec: AttemptSpec) -> dict[str, str]:
    """What an attempt's pod is labelled with beyond its home."""
    step = ImageStep.of(spec)
    return {NETWORK: "allowed"} if step and step.image.security.network else {}


def image_reference(image: ImagePlan) -> str:
    """The image by its digest, under the name that it was asked for: ``registry/name@sha256:...``."""
    name = image.reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}@{image.digest}"


def pod_template(spec: AttemptSpec, settings: KubernetesSettings, per_pod: int = 1) -> dict[str, Any]:
    """The pod of an attempt, without what differs from Job to Job."""
    step = ImageStep.of(spec)
    security = step.image.security if step else Security()
    chosen: dict[str, Any] = {}
    if settings.priority_class:
        chosen["priorityClassName"] = settings.priority_class
    selector = {**settings.node_selector, **(settings.gpu_node_selector if step and step.image.gpu else {})}
    if selector:
        chosen["nodeSelector"] = selector
    if settings.tolerations:
        chosen["tolerations"] = [dict(each) for each in settings.tolerations]
    return {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": math.ceil(per_pod * spec.timeout + settings.startup),
        "terminationGracePeriodSeconds": GRACE,
        "serviceAccountName": settings.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": security.user != 0 and settings.user != 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **(_image_containers(spec, step, settings) if step else _work_container(spec, settings, per_pod)),
        "volumes": [
            {"name": "attempt", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
            *({"name": f"given-{n}", **volume.source} for n, volume in enumerate(settings.volumes)),
        ],
        **chosen,
    }


def _image_containers(spec: AttemptSpec, step: ImageStep, settings: KubernetesSettings) -> dict[str, Any]:
    return {
        "initContainers": [_ours(STAGE, settings, OURS), _step(spec, step)],
        "containers": [_ours(COLLECT, settings, OURS)],
    }


def _work_container(spec: AttemptSpec, settings: KubernetesSettings, per_pod: int) -> dict[str, Any]:
    if per_pod == 1:
        return {"containers": [_ours(WORK, settings, _resources(spec))]}
    resources = _resources(replace(spec, memory=spec.memory + KEEPERS))
    return {"containers": [_ours(WORK, settings, resources, SHARD)]}


def _ours(
    name: str, settings: KubernetesSettings, resources: Mapping[str, Any], program: str = ""
) -> dict[str, Any]:
    """A container of Hilum's image; what gives access to storage is mounted here and nowhere else."""
    given = [
        {"name": f"given-{n}", "mountPath": volume.path, "readOnly": volume.read_only}
        for n, volume in enumerate(settings.volumes)
    ]
    environment = {"HOME": FOLDER, "TMPDIR": "/tmp", **settings.env}
    if settings.credentials == DOWNSCOPED:
        given.append({"name": "token", "mountPath": TOKEN, "readOnly": True})
        environment[TOKEN_VARIABLE] = f"{TOKEN}/{TOKEN_FILE_NAME}"
    return {
        "name": name,
        "image": settings.image,
        "imagePullPolicy": settings.pull,
        "command": ["python3", "-m", f"hilum.executors.kubernetes.{program or name}"],
        "workingDir": FOLDER,
        "env": [
            *({"name": name, "value": value} for name, value in environment.items()),
            {"name": "HILUM_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "resources": dict(resources),
        "securityContext": _restricted(Security(user=settings.user)),
        "volumeMounts": [
            {"name": "attempt", "mountPath": FOLDER},
            {"name": "specs", "mountPath": SPECS, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp", "subPath": name},
            *given,
        ],
    }


def _step(spec: AttemptSpec, step: ImageStep) -> dict[str, Any]:
    """The step's image, unchanged: it sees its folders, /tmp and shared memory."""
    invocation = step.invocation()
    container: dict[str, Any] = {
        "name": STEP,
        "image": image_reference(step.image),
        "imagePullPolicy": PULL[step.image.pull],
        "env": [{"name": name, "value": value} for name, value in step.environment(spec).items()],
        "resources": _resources(spec, step.image),
        "securityContext": _restricted(step.image.security),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp", "subPath": STEP},
            {"name": "shm", "mountPath": "/dev/shm"},
            *(
                {
                    "name": "attempt",
                    "mountPath": mount.target,
                    "subPath": "/".join(filter(None, [mount.folder, mount.below])),
                    "readOnly": mount.folder == "in",
                }
                for mount in invocation.mounts
            ),
        ],
    }
    if invocation.command is not None:
        container["command"] = list(invocation.command)
    if invocation.args is not None:
        container["args"] = list(invocation.args)
    if invocation.working_dir:
        container["workingDir"] = invocation.working_dir
    return container


def _resources(spec: AttemptSpec, image: ImagePlan | None = None) -> dict[str, Any]:
    amounts = {"cpu": f"{spec.cpu:g}", "memory": str(spec.memory)}
    if image and image.gpu:
        amounts["nvidia.com/gpu"] = str(image.gpu)
    if image and image.scratch is not None:
        amounts["ephemeral-storage"] = str(image.scratch)
    return {"requests": amounts, "limits": amounts}


def _restricted(security: Security) -> dict[str, Any]:
    """Kubernetes' restricted pod security standard, but for what is relaxed by name."""
    return {
        "runAsUser": security.user,
        "runAsGroup": security.user,
        "runAsNonRoot": security.user != 0,
        "allowPrivilegeEscalation": security.privilege_escalation,
        "readOnlyRootFilesystem": security.read_only_root,
        "capabilities": {
            "drop": ["ALL"],
            **({"add": list(security.capabilities)} if security.capabilities else {}),
        },
    }


def _own_volumes(name: str, settings: KubernetesSettings) -> list[dict[str, Any]]:
    """What differs from Job to Job: what its attempts are, and what they may touch."""
    own: list[dict[str, Any]] = [{"name": "specs", "configMap": {"name": name}}]
    if settings.credentials == DOWNSCOPED:
        own.append({"name": "token", "secret": {"secretName": name}})
    return own
