"""Deciding a conflict of two contents: what is kept must be there to be kept. A decision for bytes that nobody has
any more would leave every later run without its input, and nothing in the quarantine to decide anew.
"""

from __future__ import annotations

from hilum.engine.places import Found, find_copy, look
from hilum.engine.settle import follow_moves
from hilum.errors import UsageError
from hilum.ledger.interface import Ledger
from hilum.model.arrival import CONFLICT
from hilum.model.subject import Member
from hilum.storage import Storage


def make_sure(ledger: Ledger, storage: Storage, entry_id: str, keep: str) -> None:
    """See to it that the content that is to count can be had; where it is gone from its place, another copy's place
    becomes its own. Of what is no conflict nothing is said.

    Raises:
        UsageError: ``content-gone``: no place is known that has it still.
        TransientError: a bucket cannot be reached.
    """
    waiting = (entry for entry in ledger.quarantine() if entry.id == entry_id and entry.reason == CONFLICT)
    if not (entry := next(waiting, None)) or keep not in ("old", "new"):
        return
    uid = entry.sop_instance_uid
    counts = ledger.places([uid])[uid]
    if keep == "new" and counts.digest != entry.digest:
        new = Member(uid, entry.digest, entry.uri, entry.size, entry.version)
        if look([new])[uid] is not Found.THERE:
            raise UsageError(
                f"the new content of {entry_id} is no longer where it was found",
                reason="content-gone",
                hint="run over its file again, which makes an entry of its own; or say --keep old",
            )
        return
    if look([counts])[uid] is Found.THERE:
        return
    copy = find_copy(ledger, uid, counts.digest)
    if copy is None:
        other = "say --keep new; or " if keep == "old" else ""
        raise UsageError(
            f"the {keep} content of {entry_id} is gone: its file is gone or holds other bytes, and no copy is known",
            reason="content-gone",
            hint=f"{other}put the {keep} file back, anywhere, run over it, and say --keep {keep} again",
        )
    ledger.relocate(uid, copy.digest, copy.uri, copy.size, copy.version)
    follow_moves(ledger, storage, ledger.known([copy.uri])[copy.uri].subjects)
