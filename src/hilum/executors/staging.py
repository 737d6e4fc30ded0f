"""Inputs of an attempt: the revision's instances and the outputs of needed steps, as local files.

Instances stay where they were found, so they may have changed since. The revision says what they were: size and
version as intake saw them prove a file unchanged for the price of a stat; where they differ, the digest decides.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from hilum.errors import TerminalError
from hilum.kernel.address import is_local, local_path
from hilum.kernel.digest import digest_file
from hilum.model.keys import revision_object
from hilum.model.subject import Member
from hilum.model.work import Manifest
from hilum.steps.context import InputInstance, Needed
from hilum.storage import Storage


def stage_instances(storage: Storage, revision: str) -> list[InputInstance]:
    """The revision's instances, each proved to hold the bytes that the revision names.

    Raises:
        TerminalError: ``input-missing``, ``input-unreadable``, ``input-changed`` or ``unknown-address``.
    """
    lines = storage.read(revision_object(revision)).splitlines()
    return [_stage(Member(**json.loads(line))) for line in lines]


def stage_need(storage: Storage, manifest: Manifest, folder: Path) -> Needed:
    """A needed step's outputs as files below ``folder`` (links where storage is local), and what it measured."""
    files: dict[str, list[Path]] = {}
    for artifact in manifest.artifacts:
        path = folder / artifact.path
        storage.fetch(artifact.object, path)
        files.setdefault(artifact.name, []).append(path)
    return Needed({name: tuple(found) for name, found in files.items()}, measured(manifest))


def measured(manifest: Manifest) -> dict[str, float | int | str | bool]:
    """Measurements by name, for conditions and later steps: those about the whole, not about a region."""
    return {found.name: found.value for found in manifest.measurements if not found.region}


def _stage(member: Member) -> InputInstance:
    if not is_local(member.uri):
        raise TerminalError(
            "an instance lies at an address that this executor cannot read",
            reason="unknown-address",
            hint="instances must lie in files of this machine",
        )
    path = Path(local_path(member.uri))
    try:
        found = path.stat()
        version = f"{found.st_mtime_ns}-{found.st_ino}"
        same = found.st_size == member.size and (
            version == member.version or digest_file(path) == member.digest
        )
    except FileNotFoundError:
        raise TerminalError(
            f"the file of instance {member.digest[:12]} is gone",
            reason="input-missing",
            hint="put it back, or run over its new place",
        ) from None
    except OSError as error:
        raise TerminalError(
            f"the file of instance {member.digest[:12]} cannot be read: {os.strerror(error.errno or 0)}",
            reason="input-unreadable",
            hint="see to its permissions, then retry",
        ) from None
    if not same:
        raise TerminalError(
            f"the file of instance {member.digest[:12]} holds other bytes than when it arrived",
            reason="input-changed",
            hint="run over its folder again, which takes the new content in",
        )
    return InputInstance(member.sop_instance_uid, path, member.series_instance_uid)
