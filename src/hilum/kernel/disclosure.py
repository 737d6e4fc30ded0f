"""What may be told outside the warehouse.

Headers, file names and the messages of other people's exceptions carry names and dates of birth, and logs
travel further than images do. So this is a list of what is allowed, each with the shape that a value must
have, and everything else is left out: a value that somebody logs by mistake has no way through.
"""

from __future__ import annotations

import errno
import re
import traceback
from datetime import datetime
from pathlib import Path
from typing import Any

from hilum.errors import HilumError

NUMBER = "a number or truth value"
ID = "an id such as `t-0123456789abcdef`"
DIGEST = "12 to 64 hex digits"
CODE = "a kebab-case code that begins with a letter"
NAME = "letters, digits and `. _ : -`, beginning with a letter"
MOMENT = "a datetime"
PROBE = "the path of a probe such as `/healthz`"
ACTOR = "`person:`, `service:` or `system:` and an account's name"
FOLDER = "a Path that the user chose for Hilum itself"

PATTERNS = {
    ID: re.compile(r"[a-z]{1,8}-[0-9a-f]{16}(\.\d{1,9}){0,2}"),
    DIGEST: re.compile(r"(sha256:)?[0-9a-f]{12,64}"),
    CODE: re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*"),
    NAME: re.compile(r"[A-Za-z][A-Za-z0-9._:-]{0,99}"),
    PROBE: re.compile(r"(/[a-z]{1,20}){1,3}"),
    ACTOR: re.compile(r"(person|service|system):[A-Za-z0-9_][A-Za-z0-9._@/+-]{0,199}"),
}

TYPES: dict[str, tuple[type, ...]] = {NUMBER: (int, float), MOMENT: (datetime,), FOLDER: (Path,)}

EVENT = re.compile(r"[a-z][a-z ,'-]{0,99}")
"""An event is a constant in lower-case words, so that what varies has to go into a field."""

FIELDS: dict[str, str] = {
    # what it is about
    "run": ID,
    "task": ID,
    "attempt": ID,
    "segment": ID,
    "subject": ID,
    "artifact": ID,
    "quarantine_id": ID,
    "revision": DIGEST,
    "digest": DIGEST,
    "task_key": DIGEST,
    "scope": CODE,
    "pipeline": NAME,
    "step": NAME,
    "executor": NAME,
    "source": NAME,
    "table": NAME,
    "machine": NAME,
    "engine": NAME,
    "worker": NAME,
    # what became of it
    "state": CODE,
    "outcome": CODE,
    "reason": CODE,
    "rule": CODE,
    "signal": NAME,
    "exit_code": NUMBER,
    # how much, how long
    "count": NUMBER,
    "total": NUMBER,
    "accepted": NUMBER,
    "duplicates": NUMBER,
    "ignored": NUMBER,
    "quarantined": NUMBER,
    "stale": NUMBER,
    "succeeded": NUMBER,
    "failed": NUMBER,
    "instances": NUMBER,
    "frames": NUMBER,
    "slices": NUMBER,
    "rows": NUMBER,
    "files": NUMBER,
    "bytes": NUMBER,
    "tries": NUMBER,
    "fraction": NUMBER,
    "seconds": NUMBER,
    "limit": NUMBER,
    "max_rss": NUMBER,
    "pid": NUMBER,
    "port": NUMBER,
    "at": MOMENT,
    "until": MOMENT,
    # who decided what
    "action": CODE,
    "actor": ACTOR,
    "what": ID,
    "audit_id": ID,
    # what was asked over HTTP
    "http_method": NAME,
    "http_path": PROBE,
    "http_status": NUMBER,
    # where Hilum itself lives
    "home": FOLDER,
    "settings_file": FOLDER,
}


def disclosable(name: str, value: object) -> bool:
    """Whether a field of this name may be told with this value (see :data:`FIELDS`)."""
    shape = FIELDS.get(name)
    if shape is None or value is None:
        return shape is not None
    if shape in PATTERNS:
        return isinstance(value, str) and PATTERNS[shape].fullmatch(value) is not None
    return isinstance(value, TYPES[shape])


def place(filename: str) -> str:
    """A source file as its folder and name: enough to find it, and nothing of where it is installed."""
    return "/".join(Path(filename).parts[-2:])


def describe_error(error: BaseException) -> dict[str, Any]:
    """An exception without what it may quote, as plain JSON.

    Keys: ``kind`` (class), ``frames`` (``file:line:function``, innermost last), ``cause`` (the same again),
    ``errno`` (the symbol, for the operating system's errors); ``reason`` and ``message`` for a
    :class:`~hilum.errors.HilumError` alone, whose messages hold no patient data.
    """
    told: dict[str, Any] = {"kind": type(error).__name__}
    if isinstance(error, HilumError):
        told |= {"reason": error.reason, "message": str(error)}
    if isinstance(error, OSError) and error.errno is not None:
        told["errno"] = errno.errorcode.get(error.errno, str(error.errno))
    if error.__traceback__ is not None:
        told["frames"] = [
            f"{place(frame.f_code.co_filename)}:{line}:{frame.f_code.co_name}"
            for frame, line in traceback.walk_tb(error.__traceback__)
        ]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        told["cause"] = describe_error(cause)
    return told
