"""Objects of buckets as a source: one object, all below a prefix, or all that a pattern matches.

They are listed in pages, as they are asked for, and nothing of them is read: a listing says size, generation and
checksums. What lies below ``gs://bucket/scans`` is what a folder ``scans`` would hold: ``scans/1.dcm``, not
``scans-2/1.dcm``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from urllib.parse import unquote

from hilum.errors import TerminalError, TransientError
from hilum.kernel.address import BUCKET_SCHEME, bucket_object, bucket_object_uri
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.model.arrival import SWEEP, Arrival
from hilum.sources.interface import Source
from hilum.storage.listing import Entry, entries, entries_at

NAME = "bucket"
AT_ONCE = 256
"""Addresses that are looked up together."""
SLICE = 5000
"""Objects of a watched bucket that are looked at before the engine has its turn."""
MAGIC = re.compile(r"[*?[]")
TOKEN = re.compile(r"(\*\*/|\*\*|\*|\?|\[.[^\]]*\])")
WILD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}

log = get_logger(__name__)


class WatchedBucket(Source):
    """What is below an address of a bucket, listed again and again.

    Args:
        address: ``gs://bucket/prefix`` or a pattern.
        sweep: seconds between the beginnings of two listings.
        events: somebody tells of the same objects, so the listing is for what nobody told of. An object that is
            younger than ``sweep`` is left to the next listing then, since its event may be under way.
    """

    def __init__(self, address: str, clock: Clock, *, sweep: float = 60.0, events: bool = False) -> None:
        self.name = SWEEP if events else NAME
        self._grace = timedelta(seconds=sweep if events else 0)
        self._address = address
        self._clock = clock
        self._sweep = sweep
        self._next_sweep = float("-inf")
        self._listing: Iterator[Entry] | None = None

    def scan(self) -> Iterator[Arrival]:
        """A slice of the listing that is under way; call it again and again. A bucket that is away ends the listing,
        and the next begins when it is time for it."""
        if self._listing is None:
            if self._clock.monotonic() < self._next_sweep:
                return
            self._next_sweep = self._clock.monotonic() + self._sweep
            self._listing = self._old_enough(below(self._address))
        listing, self._listing = self._listing, None
        count = 0
        try:
            for entry in islice(listing, SLICE):
                count += 1
                yield _arrival(entry, self._clock, self.name)
        except TransientError as error:
            log.warning("a listing ended early", reason=error.reason, count=count)
            return
        if count == SLICE:
            self._listing = listing

    def _old_enough(self, listing: Iterator[Entry]) -> Iterator[Entry]:
        before = self._clock.now() - self._grace
        return (entry for entry in listing if entry.created <= before) if self._grace else listing


class Sweep(Source):
    """What is below addresses of buckets now, to be compared with what the ledger knows."""

    name = SWEEP

    def __init__(self, addresses: Iterable[str], clock: Clock) -> None:
        self._addresses = list(addresses)
        self._clock = clock

    def scan(self) -> Iterator[Arrival]:
        for address in self._addresses:
            for entry in at_or_below(address):
                yield _arrival(entry, self._clock, self.name)


def in_buckets(addresses: Iterable[str], clock: Clock) -> Iterator[Arrival]:
    """What is at each of these addresses, in their order: an object, or what is below it as below a folder. Where
    nothing is, or nothing may be seen, that is an arrival too, of which intake finds out why."""
    rest = iter(addresses)
    while some := list(islice(rest, AT_ONCE)):
        looked_up = dict(entries_at(each for each in some if _may_be_object(each)))
        for address in some:
            entry = looked_up.get(address)
            if isinstance(entry, Entry):
                yield _arrival(entry, clock)
                continue
            anything = False
            try:
                for found in below(address):
                    anything = True
                    yield _arrival(found, clock)
            except TerminalError:
                if anything:
                    raise
            if not anything and _may_be_object(address):
                yield Arrival(canonical(address), 0, "missing", clock.now(), NAME)


def is_anything(address: str) -> bool:
    """Whether there is an object at this address, or anything below it, or anything that it matches.

    Raises:
        TerminalError, TransientError: as :func:`hilum.storage.listing.entries`.
    """
    return any(True for _ in at_or_below(address))


def at_or_below(address: str) -> Iterator[Entry]:
    """The object at an address; where none is, those below it or those that a pattern matches."""
    looked_up = entries_at([address]) if _may_be_object(address) else ()
    there = [entry for _, entry in looked_up if isinstance(entry, Entry)]
    yield from there or below(address)


def below(address: str) -> Iterator[Entry]:
    """Objects below an address, or those that a pattern matches, in the order of names."""
    bucket, name = _split(address)
    magic = MAGIC.search(name)
    if magic is None:
        yield from entries(bucket, _folder(unquote(name)))
        return
    matches = re.compile(regex_of(name), re.DOTALL).fullmatch
    for entry in entries(bucket, unquote(name[: magic.start()])):
        if matches(bucket_object(entry.uri)[1]):
            yield entry


def canonical(address: str) -> str:
    """An object's address as Hilum writes it, whoever wrote this one."""
    return bucket_object_uri(*bucket_object(address))


def regex_of(pattern: str) -> str:
    """A pattern of an address as a regular expression for names: ``*`` and ``?`` within a part of a name, ``[a-z]``
    and ``[!a-z]`` for one character, ``**/`` for any number of parts, or none."""
    return "".join(_regex_of(token) for token in TOKEN.split(pattern) if token)


def _regex_of(token: str) -> str:
    if token in WILD:
        return WILD[token]
    if token.startswith("[") and len(token) > 2:
        inner = token[1:-1].replace("\\", r"\\")
        return f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
    return re.escape(unquote(token))


def _split(address: str) -> tuple[str, str]:
    bucket, _, name = address.removeprefix(BUCKET_SCHEME).partition("/")
    return bucket, name


def _folder(name: str) -> str:
    return f"{name.rstrip('/')}/" if name.strip("/") else ""


def _may_be_object(address: str) -> bool:
    name = _split(address)[1]
    return bool(name) and not name.endswith("/")


def _arrival(entry: Entry, clock: Clock, source: str = NAME) -> Arrival:
    return Arrival(entry.uri, entry.size, entry.version, clock.now(), source, entry.attested)
