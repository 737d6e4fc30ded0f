"""Whether instances are still what they were, where they were. Files stay where they were found, so anybody may
change, replace or remove them. A version proves an object unchanged for the price of a stat; where it is another, the
bytes decide, as they do when an attempt asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from tempfile import TemporaryFile

from hilum.errors import TerminalError
from hilum.kernel.address import archive_of, is_in_bucket, is_of_version
from hilum.ledger.interface import Ledger
from hilum.model.arrival import Received
from hilum.model.subject import Member
from hilum.storage.content import is_content
from hilum.storage.interface import ChecksumMismatch, ObjectMissing
from hilum.storage.objects import open_objects, versions_at


class Found(StrEnum):
    """How an instance is at its place."""

    THERE = "there"
    GONE = "gone"
    CHANGED = "changed"


def look(members: Iterable[Member], *, deep: bool = False) -> dict[str, Found]:
    """How each of these instances is, by SOP Instance UID.

    Args:
        deep: read also those of which the version has not changed.

    Raises:
        TransientError: a bucket cannot be reached.
    """
    wanted = list(members)
    versions = versions_at({archive_of(each.uri) or each.uri for each in wanted})
    found: dict[str, Found] = {}
    read: dict[str, list[Member]] = {}
    for each in wanted:
        archive = archive_of(each.uri)
        version = versions[archive or each.uri]
        same = version is not None and (
            is_of_version(each.version, version) if archive else each.version == version
        )
        if version is None:
            found[each.sop_instance_uid] = Found.GONE
        elif same and not deep:
            found[each.sop_instance_uid] = Found.THERE
        elif not same and not archive and is_in_bucket(each.uri):
            found[each.sop_instance_uid] = _generation(each)
        else:
            read.setdefault(each.uri, []).append(each)
    for uri, opened in open_objects(sorted(read)):  # one pass over each archive
        for each in read[uri]:
            if isinstance(opened, TerminalError):
                found[each.sop_instance_uid] = Found.GONE
                continue
            try:
                opened.seek(0)
                same = is_content(opened, each.sop_instance_uid, each.digest)
            except (TerminalError, ChecksumMismatch, OSError):  # damaged, or on a disk that is
                same = False
            found[each.sop_instance_uid] = Found.THERE if same else Found.CHANGED
    return found


def without_rival(ledger: Ledger, known: Sequence[Received]) -> tuple[list[Received], list[Received]]:
    """Of what the ledger knows, that which counts for nothing, though the content that counts in its place cannot be
    had; and the rest. Whatever was decided on the first, somebody has to decide again."""
    places = ledger.places([item.instance.sop_instance_uid for item in known if item.instance])
    rivals = {
        uid: places[uid]
        for item in known
        if item.instance
        and (uid := item.instance.sop_instance_uid) in places
        and places[uid].digest != item.digest
    }
    lost = {uid for uid, found in look(rivals.values()).items() if found is not Found.THERE}
    undecided: list[Received] = []
    rest: list[Received] = []
    for item in known:
        uid = item.instance.sop_instance_uid if item.instance else ""
        (undecided if uid in lost and places[uid].digest != item.digest else rest).append(item)
    return undecided, rest


def find_copy(ledger: Ledger, sop_instance_uid: str, digest: str) -> Member | None:
    """A place that has this content of an instance still; None where the ledger knows of none."""
    for copy in ledger.copies(sop_instance_uid, digest):
        if look([copy])[sop_instance_uid] is Found.THERE:
            return copy
    return None


def _generation(member: Member) -> Found:
    """An object of a bucket of which there is a newer generation. The bucket may keep the older one too, or the newer
    one have the same bytes."""
    from hilum.storage.gcs.objects import download_object

    with TemporaryFile() as file:
        try:
            download_object(member.uri, file, member.version)
            file.seek(0)
            same = is_content(file, member.sop_instance_uid, member.digest)
        except ObjectMissing:
            return Found.GONE
        except TerminalError:
            same = False
    return Found.THERE if same else Found.CHANGED
