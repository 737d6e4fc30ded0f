"""Whether events reach the engine, and what nobody can use reaches people: notifications, subscriptions, topics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from hilum.app.google.ask import Google, ResourceMissing
from hilum.app.google.deployment import Deployment
from hilum.engine.doctor import Finding, Health

FORMAT = "JSON_API_V1"
NEW = "OBJECT_FINALIZE"
GONE = "_deleted-topic_"
"""What Pub/Sub writes for the topic of a subscription that has outlived it."""
PUBSUB = "//pubsub.googleapis.com/"


def notification(google: Google, deployment: Deployment, bucket: str) -> Iterator[Finding]:
    """Whether the bucket tells the topics of our subscriptions, of what it should, in the format that is read."""
    topics = {google.get("pubsub", f"/v1/{name}")["topic"] for name in deployment.subscriptions}
    found = google.get("storage", f"/storage/v1/b/{quote(bucket, safe='')}/notificationConfigs").get(
        "items", ()
    )
    ours = [each for each in found if each["topic"].removeprefix(PUBSUB) in topics]
    if not ours:
        yield _wrong("the bucket tells no topic of these subscriptions what arrives")
        return
    for each in ours:
        if each.get("payload_format") != FORMAT:
            yield _wrong(f"the notification's format is {each.get('payload_format')}, not {FORMAT}")
        if prefix := each.get("object_name_prefix"):
            yield Finding(
                "notification", Health.WARNING, f"only of names that begin with {len(prefix)} given letters"
            )
    if not any(NEW in each.get("event_types", (NEW,)) for each in ours):
        yield Finding(
            "notification",
            Health.WARNING,
            "the bucket itself tells of no new objects",
            "right where the intake function does; else add OBJECT_FINALIZE",
        )


def subscription(google: Google, name: str) -> Iterator[Finding]:
    """Whether a subscription lives, keeps what comes, and puts aside what is delivered too often."""
    found = google.get("pubsub", f"/v1/{name}")
    if found["topic"] == GONE:
        yield _dead("the subscription's topic is gone", "make both anew, then `hilum sweep` fills in")
        return
    if found.get("detached"):
        yield _dead(
            "the subscription is detached from its topic", "make it anew, then `hilum sweep` fills in"
        )
    if found.get("pushConfig", {}).get("pushEndpoint"):
        yield _dead("the subscription pushes, and an engine pulls", "make one without an endpoint")
    if ttl := found.get("expirationPolicy", {}).get("ttl"):
        yield Finding(
            "dead letters",
            Health.WARNING,
            f"the subscription ends when unused for {ttl}",
            "let it never expire",
        )
    topic = found.get("deadLetterPolicy", {}).get("deadLetterTopic", "")
    if topic:
        yield from kept(google, topic)
    else:
        yield Finding(
            "dead letters",
            Health.WARNING,
            "a message that is delivered again and again is never put aside",
            "give the subscription a dead letter policy",
        )


def kept(google: Google, topic: str) -> Iterator[Finding]:
    """Whether a topic of dead letters is there, and somebody keeps what comes: a topic itself forgets."""
    try:
        google.get("pubsub", f"/v1/{topic}")
    except ResourceMissing:
        yield _dead("the topic of dead letters is not there", "make it, with a subscription")
        return
    answer: dict[str, Any] = google.get("pubsub", f"/v1/{topic}/subscriptions")
    if not answer.get("subscriptions"):
        yield _dead("dead letters are forgotten: their topic has no subscription", "make one")


def dead_letters(google: Google, deployment: Deployment) -> Iterator[Finding]:
    """Whether messages that cannot be understood have a place to go to."""
    if deployment.dead_letters:
        yield from kept(google, deployment.dead_letters)
    elif deployment.subscriptions:
        yield Finding(
            "dead letters",
            Health.WARNING,
            "messages that cannot be understood are acknowledged with a line in the log",
            "set dead_letters to a topic",
        )


def _wrong(message: str) -> Finding:
    return Finding(
        "notification", Health.ERROR, message, "see google_storage_notification in deploy/terraform"
    )


def _dead(message: str, mend: str) -> Finding:
    return Finding("dead letters", Health.ERROR, message, mend)
