"""What is asked of the API server about Jobs: make them, find them, end them. Refusals become errors of ours."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hilum.errors import HilumError, StepError, TransientError
from hilum.executors.kubernetes import manifests
from hilum.executors.kubernetes.credentials import Tokens
from hilum.executors.kubernetes.settings import KubernetesSettings
from hilum.model.work import AttemptSpec
from hilum.storage.gcs.credentials import Token

if TYPE_CHECKING:
    from lightkube import Client

    from hilum.executors.kubernetes.seen import SeenJob, SeenPod

CONFLICT, MISSING = 409, 404
PASSING = (429, 500, 503, 504)


class ClusterGone(TransientError):
    """The API server does not answer."""

    reason = "cluster-unreachable"


class Jobs:
    """The Jobs of one home."""

    def __init__(
        self, client: Client, settings: KubernetesSettings, home: str, tokens: Tokens | None = None
    ) -> None:
        self._client = client
        self._tokens = tokens
        self._settings = settings
        self._home = home

    def make(
        self, template: Mapping[str, Any], specs: Sequence[AttemptSpec], per_pod: int = 1
    ) -> tuple[str, bool]:
        """Make the Job of these attempts; its name, and whether it was there already: an answer may have been lost.

        The ConfigMap comes last: by it another engine finds the Job, so then the pods have all that they need.

        Raises:
            ClusterGone: it may be there or not; try again. HilumError: it was refused, and nothing of it is left.
        """
        from lightkube.resources.batch_v1 import Job
        from lightkube.resources.core_v1 import ConfigMap, Secret

        name = manifests.job_name(self._home, specs)
        token = self._tokens.mint(specs[0]) if self._tokens else None
        body = manifests.job(template, specs, self._settings, self._home, per_pod)
        with translated():
            made = self._create(Job, body)
            job = made or self._client.get(Job, name)
            assert job.metadata is not None
            uid = job.metadata.uid or ""
        try:
            with translated():
                if token and not self._create(Secret, manifests.secret(uid, specs, self._home, token.data())):
                    self._replace(name, token)
                self._create(ConfigMap, manifests.config_map(uid, specs, self._home, per_pod))
        except StepError:  # its pods would wait for ever for what was refused
            self.delete_job(name)
            raise
        return name, made is None

    def renew(self, job: str, spec: AttemptSpec) -> None:
        """Give an attempt a younger token.

        Raises:
            HilumError: not now. It has to be tried again.
        """
        assert self._tokens is not None
        token = self._tokens.mint(spec)
        with translated(), _absent_is_fine():
            self._replace(job, token)

    def _replace(self, job: str, token: Token) -> None:
        from lightkube.resources.core_v1 import Secret
        from lightkube.types import PatchType

        data = base64.b64encode(token.data()).decode()
        change = {"data": {manifests.TOKEN_FILE_NAME: data}}
        self._client.patch(Secret, job, change, patch_type=PatchType.MERGE)

    def found(self) -> Iterator[tuple[str, list[list[AttemptSpec]]]]:
        """Every Job of this home, and the attempts of each of its pods."""
        from lightkube.resources.core_v1 import ConfigMap

        with translated():
            listed = list(self._client.list(ConfigMap, labels={manifests.HOME: self._home}))
        for each in listed:
            assert each.metadata is not None
            data = (each.binaryData or {})[manifests.SPECS_FILE]
            yield each.metadata.name or "", manifests.specs_of(base64.b64decode(data))

    def pods(self, job: str) -> list[SeenPod]:
        """The pods of a Job as they are now."""
        from hilum.executors.kubernetes.seen import SeenPod

        labels: dict[str, Any] = {manifests.HOME: self._home, manifests.JOB_NAME: job}
        with translated():
            return list(self._client.list(SeenPod, labels=labels))

    def why_no_pod(self, job: str) -> str:
        """What the cluster last said of not making a Job's pods; empty if nothing."""
        from lightkube.resources.core_v1 import Event

        try:
            with translated():
                asked: dict[str, Any] = {"involvedObject.name": job, "reason": "FailedCreate"}
                about = [
                    (str(each.lastTimestamp), each.message or "")
                    for each in self._client.list(Event, fields=asked)
                ]
        except HilumError:
            return ""
        return max(about, default=("", ""))[1]

    def delete_job(self, name: str) -> None:
        """End a Job; it is gone when its pods are."""
        from lightkube.resources.batch_v1 import Job
        from lightkube.types import CascadeType

        with translated(), _absent_is_fine():
            self._client.delete(Job, name, cascade=CascadeType.FOREGROUND)

    def delete_pod(self, name: str) -> None:
        """End a pod."""
        from lightkube.resources.core_v1 import Pod

        with translated(), _absent_is_fine():
            self._client.delete(Pod, name)

    def _create(self, resource: Any, body: Mapping[str, Any]) -> Any:
        """Make an object; None if there is one of that name."""
        from lightkube import ApiError

        try:
            return self._client.create(resource.from_dict(body))
        except ApiError as error:
            if error.status.code == CONFLICT and error.status.reason == "AlreadyExists":
                return None
            raise


@contextmanager
def translated() -> Iterator[None]:
    """The API server's refusals and silences as errors of ours. What it says names objects and fields only."""
    from httpx2 import HTTPError
    from lightkube import ApiError

    try:
        yield
    except ApiError as error:
        if error.status.code in PASSING:
            raise ClusterGone("the Kubernetes API server is overloaded or starting") from error
        raise StepError(
            f"Kubernetes refuses: {error.status.message}",
            reason="job-refused",
            hint="see the step's resources and security, and what the namespace allows",
        ) from error
    except HTTPError as error:
        raise ClusterGone("the Kubernetes API server does not answer") from error


@contextmanager
def _absent_is_fine() -> Iterator[None]:
    from lightkube import ApiError

    try:
        yield
    except ApiError as error:
        if error.status.code != MISSING:
            raise


def index_of(pod: SeenPod) -> tuple[str, int]:
    """Job and index of a pod."""
    labels = pod.metadata.labels
    return labels.get(manifests.JOB_NAME, ""), int(labels.get(manifests.JOB_INDEX, "-1"))


def over(job: SeenJob) -> set[int]:
    """The indexes of a Job that it counts as ended; all of them when the Job is."""
    if job.status is None:
        return set()
    if any(
        each.type in ("Complete", "Failed") and each.status == "True" for each in job.status.conditions or ()
    ):
        return set(range(job.spec.completions))
    return {*_indexes(job.status.completedIndexes), *_indexes(job.status.failedIndexes)}


def _indexes(text: str | None) -> Iterator[int]:
    """``1,3-5`` as numbers."""
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
