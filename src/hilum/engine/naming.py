"""One content may have two names: a file is called by its SHA-256, an object of a bucket by what its store attests.
Where an instance is known under another name than it comes with, its bytes decide whether that is the same content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hilum.engine.unpack import refused
from hilum.errors import TerminalError
from hilum.model.arrival import Received
from hilum.storage.content import is_content
from hilum.storage.interface import ChecksumMismatch
from hilum.storage.listing import NOT_ITS_FAULT
from hilum.storage.objects import Opened, open_objects


def called_as_known(read: Sequence[Received], known: Mapping[str, str]) -> list[Received]:
    """What was read, under the name by which its instance is known, if it has the same content.

    Those in question are read in one pass, as :func:`hilum.storage.objects.open_objects` gives them. One of which the
    bytes cannot be had through no fault of its own, or come damaged, becomes what says so; any other fault of it
    leaves it as it came, which is a conflict.

    Args:
        known: digests by SOP Instance UID.

    Raises:
        TransientError: a bucket cannot be reached.
    """
    doubted = {
        item.arrival.uri: item
        for item in read
        if item.instance and known.get(item.instance.sop_instance_uid, item.digest) != item.digest
    }
    arrivals = {uri: item.arrival for uri, item in doubted.items()}
    called = {}
    for uri, opened in open_objects(doubted, arrivals):
        called[_key(doubted[uri])] = _called(doubted[uri], opened, known)
    return [called.get(_key(item), item) for item in read]


def _key(item: Received) -> tuple[str, str, str]:
    return item.arrival.uri, item.arrival.version, item.digest


def _called(item: Received, opened: Opened, known: Mapping[str, str]) -> Received:
    instance = item.instance
    if instance is None:
        return item
    digest = known[instance.sop_instance_uid]
    try:
        if isinstance(opened, TerminalError):
            raise opened
        same = is_content(opened, instance.sop_instance_uid, digest)
    except ChecksumMismatch as error:
        return refused(item.arrival, error)
    except TerminalError as error:
        return refused(item.arrival, error) if error.reason in NOT_ITS_FAULT else item
    except OSError:
        return item
    return replace(item, digest=digest, instance=replace(instance, digest=digest)) if same else item
