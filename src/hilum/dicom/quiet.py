"""pydicom warns through ``warnings`` and its logger, and what it says quotes header values. Hilum has reason codes
instead, so its own use of pydicom is silent, and nobody else's is.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.RLock()
_reader = threading.local()


def _not_ours(record: logging.LogRecord) -> bool:
    return not getattr(_reader, "quiet", False)


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Drop what pydicom says to this thread. One thread at a time: Python's warning filters are global."""
    logging.getLogger("pydicom").addFilter(_not_ours)
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, _reader.quiet = getattr(_reader, "quiet", False), True
        try:
            yield
        finally:
            _reader.quiet = before
