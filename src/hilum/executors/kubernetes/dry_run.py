"""Asking a cluster what it would say of a pipeline's Jobs and pods, with nothing made: its schema, the namespace's
pod security, quotas and admission webhooks have their say (the API server's dry run).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hilum.errors import StepError
from hilum.executors.kubernetes import manifests
from hilum.executors.kubernetes.client import connect
from hilum.executors.kubernetes.jobs import translated
from hilum.executors.kubernetes.settings import KubernetesSettings
from hilum.model.work import AttemptSpec, RunPlan

NAME = "dry-run"


def refusals(settings: KubernetesSettings, plan: RunPlan) -> Iterator[tuple[str, str]]:
    """Steps that the cluster would refuse, each with what it says.

    Raises:
        ClusterGone: it does not answer.
    """
    from lightkube.resources.batch_v1 import Job
    from lightkube.resources.core_v1 import Pod

    client: Any = connect(settings.kubeconfig, settings.namespace)
    try:
        for step in plan.steps:
            spec = AttemptSpec(
                id=f"{NAME}.1",
                store="file:///nowhere",
                revision="0" * 64,
                scope=plan.scope,
                subject_id=NAME,
                steps=(step,),
                memory=step.memory,
                timeout=step.timeout,
                cpu=step.cpu,
            )
            body = manifests.job(manifests.pod_template(spec, settings), [spec], settings, NAME)
            # of a Job's pods the API server only warns, so one is shown to it as well
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": f"hilum-{NAME}",
                    "labels": body["spec"]["template"]["metadata"]["labels"],
                },
                "spec": body["spec"]["template"]["spec"],
            }
            try:
                with translated():
                    for made in (Job.from_dict(body), Pod.from_dict(pod)):
                        client.create(made, dry_run=True)
            except StepError as error:
                yield step.name, error.message
    finally:
        client.close()
