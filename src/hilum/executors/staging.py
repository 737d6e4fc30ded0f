"""Inputs of an attempt: the revision's instances and the outputs of needed steps, as local files.

Instances stay where they were found, so they may have changed since. The revision says what they were: size and
version as intake saw them prove a file unchanged for the price of a stat; where they differ, the digest decides.
Members of archives are copied out, once for an attempt and in one pass over each archive, and objects of buckets are
downloaded, several at a time and each in the generation that arrived; of them the digest decides always.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING

from hilum.errors import TerminalError
from hilum.kernel.address import archive_of, file_version, is_in_bucket, is_local, local_path
from hilum.kernel.digest import CHUNK
from hilum.model.keys import revision_object
from hilum.model.subject import Member
from hilum.model.work import Manifest
from hilum.steps.context import InputInstance, Needed
from hilum.storage import ObjectMissing, Storage
from hilum.storage.content import is_content_of

if TYPE_CHECKING:
    from hilum.storage.objects import Opened

DOWNLOADS = 8
"""Objects of buckets that are downloaded at once."""


def stage_instances(storage: Storage, revision: str, folder: Path) -> list[InputInstance]:
    """The revision's instances, each proved to hold the bytes that the revision names.

    Args:
        folder: gets what lies in archives and buckets; made if there is any.

    Raises:
        TerminalError: ``input-missing``, ``input-unreadable``, ``input-changed`` or ``unknown-address``.
        TransientError: a bucket cannot be reached.
    """
    lines = storage.read(revision_object(revision)).splitlines()
    members = [Member(**json.loads(line)) for line in lines]
    copied = _copy_out([member for member in members if archive_of(member.uri)], folder)
    copied |= _download([member for member in members if _is_object(member)], folder)
    return [
        InputInstance(
            member.sop_instance_uid, copied.get(member.uri) or _file(member), member.series_instance_uid
        )
        for member in members
    ]


def stage_need(storage: Storage, manifest: Manifest, folder: Path) -> Needed:
    """A needed step's outputs as files below ``folder`` (links where storage is local), and what it measured."""
    files: dict[str, list[Path]] = {}
    for artifact in manifest.artifacts:
        path = folder / artifact.path
        storage.fetch(artifact.object, path)
        files.setdefault(artifact.name, []).append(path)
    return Needed({name: tuple(found) for name, found in files.items()}, measured(manifest), folder)


def measured(manifest: Manifest) -> dict[str, float | int | str | bool]:
    """Measurements by name, for conditions and later steps: those about the whole, not about a region."""
    return {found.name: found.value for found in manifest.measurements if not found.region}


def _file(member: Member) -> Path:
    """The file that an instance is, if it still is."""
    if not is_local(member.uri):
        raise TerminalError(
            "an instance lies at an address that this executor cannot read",
            reason="unknown-address",
            hint="instances must lie in files of this machine or in buckets",
        )
    path = Path(local_path(member.uri))
    try:
        found = path.stat()
        same = found.st_size == member.size and (
            file_version(found) == member.version
            or is_content_of(path, member.sop_instance_uid, member.digest)
        )
    except FileNotFoundError:
        raise _missing(member) from None
    except OSError as error:
        raise _unreadable(member, os.strerror(error.errno or 0)) from None
    if not same:
        raise _changed(member)
    return path


def _is_object(member: Member) -> bool:
    return is_in_bucket(member.uri) and not archive_of(member.uri)


def _download(members: Iterable[Member], folder: Path) -> dict[str, Path]:
    """Files of objects of buckets, by address. Most of the time of each is spent waiting for its first byte."""
    wanted = {member.uri: member for member in members}
    if not wanted:
        return {}
    from concurrent.futures import ThreadPoolExecutor

    folder.mkdir(parents=True, exist_ok=True)
    paths = {uri: folder / f"{member.digest}.dcm" for uri, member in wanted.items()}
    with ThreadPoolExecutor(DOWNLOADS) as threads:
        for _ in threads.map(_fetch, wanted.values(), paths.values()):
            pass
    return paths


def _fetch(member: Member, path: Path) -> None:
    from hilum.storage.gcs.objects import download_object

    try:
        with path.open("w+b") as file:
            download_object(member.uri, file, member.version)
    except ObjectMissing:
        raise _missing(member) from None
    except TerminalError as error:
        raise _unreadable(member, error.message) from None
    if not is_content_of(path, member.sop_instance_uid, member.digest):
        raise _changed(member)


def _copy_out(members: Iterable[Member], folder: Path) -> dict[str, Path]:
    """Files of members of archives, by address."""
    wanted = {member.uri: member for member in sorted(members, key=lambda member: member.uri)}
    if not wanted:
        return {}
    from hilum.storage.objects import open_objects

    copied = {}
    for uri, opened in open_objects(wanted):
        folder.mkdir(parents=True, exist_ok=True)
        copied[uri] = folder / f"{wanted[uri].digest}.dcm"
        _copy(wanted[uri], opened, copied[uri])
    return copied


def _copy(member: Member, opened: Opened, path: Path) -> None:
    if isinstance(opened, TerminalError):
        from hilum.storage.objects import version_at

        gone = opened.reason == "member-missing" or version_at(member.uri) is None
        raise _missing(member) if gone else _unreadable(member, opened.message)
    with path.open("wb") as file:
        copyfileobj(opened, file, CHUNK)
    if not is_content_of(path, member.sop_instance_uid, member.digest):
        raise _changed(member)


def _missing(member: Member) -> TerminalError:
    return TerminalError(
        f"the file of instance {member.digest[:12]} is gone",
        reason="input-missing",
        hint="put it back, or run over its new place with --verify",
    )


def _unreadable(member: Member, why: str) -> TerminalError:
    return TerminalError(
        f"the file of instance {member.digest[:12]} cannot be read: {why}",
        reason="input-unreadable",
        hint="see to its permissions, then retry",
    )


def _changed(member: Member) -> TerminalError:
    return TerminalError(
        f"the file of instance {member.digest[:12]} holds other bytes than when it arrived",
        reason="input-changed",
        hint="run over its folder with --verify and decide in `hilum quarantine list`; "
        "or put the old file back, anywhere, run over it and retry",
    )
