"""Whether whoever asks may do what an engine does. Google's testIamPermissions says which of some permissions one
has, and needs none itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from hilum.app.google.ask import Google
from hilum.app.google.deployment import Deployment
from hilum.engine.doctor import Finding, Health
from hilum.warehouse.bigquery.schema import physical
from hilum.warehouse.tables import HEADERS

READS = ("storage.buckets.get", "storage.objects.get", "storage.objects.list")
WRITES = ("storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list")
TAKES = ("pubsub.subscriptions.consume", "pubsub.subscriptions.get")
FILLS = (
    "bigquery.tables.get",
    "bigquery.tables.getData",
    "bigquery.tables.update",
    "bigquery.tables.updateData",
)


@dataclass(frozen=True, slots=True)
class Needed:
    """Permissions on one thing, and the path that tells of them."""

    what: str
    service: str
    path: str
    permissions: tuple[str, ...]


def needed(deployment: Deployment) -> Iterator[Needed]:
    """What an engine of this deployment does, thing by thing."""
    for bucket in deployment.incoming:
        yield Needed("the incoming bucket", "storage", _bucket(bucket), READS)
    if deployment.results:
        yield Needed("the bucket of results", "storage", _bucket(deployment.results), WRITES)
    for name in deployment.subscriptions:
        yield Needed("the subscription", "pubsub", f"/v1/{name}:testIamPermissions", TAKES)
    if topic := deployment.dead_letters:
        publishes = ("pubsub.topics.publish",)
        yield Needed("the topic of dead letters", "pubsub", f"/v1/{topic}:testIamPermissions", publishes)
    if dataset := deployment.dataset:
        asks = ("bigquery.jobs.create",)
        project = f"/v1/projects/{dataset.project}:testIamPermissions"
        yield Needed("the project", "cloudresourcemanager", project, asks)
        table = f"projects/{dataset.project}/datasets/{dataset.name}/tables/{physical(HEADERS)}"
        yield Needed("the warehouse", "bigquery", f"/bigquery/v2/{table}:testIamPermissions", FILLS)


def permissions(google: Google, each: Needed) -> Iterator[Finding]:
    """Which of the needed ones are lacking."""
    if each.service == "storage":
        answer = google.get("storage", each.path, permissions=list(each.permissions))
    else:
        answer = google.post(each.service, each.path, {"permissions": list(each.permissions)})
    if lacking := sorted(set(each.permissions) - set(answer.get("permissions", ()))):
        yield Finding(
            "permissions",
            Health.ERROR,
            f"{each.what}: {', '.join(lacking)} lacking",
            "give the role that docs/reference/google-roles.md names",
        )


def _bucket(name: str) -> str:
    return f"/storage/v1/b/{quote(name, safe='')}/iam/testPermissions"
