"""All checks of a live project, one after another; a check that cannot be made is a finding too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from hilum.app.google.ask import Google
from hilum.app.google.deployment import Deployment
from hilum.app.google.events import dead_letters, notification, subscription
from hilum.app.google.permissions import needed, permissions
from hilum.app.google.schema import schema_drift
from hilum.app.google.surroundings import clock, quotas
from hilum.engine.doctor import Finding, Health
from hilum.errors import HilumError
from hilum.kernel.clock import Clock

Check = tuple[str, str, Callable[[], Iterator[Finding]]]
"""Its name, what it looks at, and how."""


def examine(google: Google, deployment: Deployment, own: Clock) -> Iterator[Finding]:
    """What is wrong with the deployment; where nothing is, what was looked at."""
    for name, what, check in _checks(google, deployment, own):
        try:
            found = list(check())
        except HilumError as error:
            # What nobody may look at need not be wrong.
            health = Health.WARNING if error.reason == "google-refused" else Health.ERROR
            found = [Finding(name, health, f"{what}: {error.message}", error.hint)]
        yield from found or [Finding(name, Health.OK, what)]


def _checks(google: Google, deployment: Deployment, own: Clock) -> Iterator[Check]:
    yield "clock", "as Google's", partial(clock, google, own)
    for each in needed(deployment):
        yield "permissions", each.what, partial(permissions, google, each)
    if deployment.subscriptions:
        for bucket in deployment.incoming:
            yield "notification", f"of {bucket}", partial(notification, google, deployment, bucket)
    for name in deployment.subscriptions:
        yield "dead letters", f"of {name.rpartition('/')[2]}", partial(subscription, google, name)
    yield "dead letters", "of what cannot be understood", partial(dead_letters, google, deployment)
    if deployment.dataset:
        yield "schema", f"of {deployment.dataset.path}", partial(schema_drift, deployment.dataset)
    for project in deployment.projects:
        yield "quotas", f"of {project}", partial(quotas, google, project, own)
