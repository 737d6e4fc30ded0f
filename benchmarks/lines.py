"""Header rows as lines of text, a million of them in a minute: what the warehouse is measured with.

A few templates are read from files as intake reads them. What differs between two slices of one series in the text of
their rows gets a new value for every slice, and every series has UIDs, a patient, dates and a protocol of its own.
"""

from __future__ import annotations

import hashlib
import io
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pydicom.uid import ExplicitVRLittleEndian

from benchmarks.series import Series
from hilum.dicom.header import read_header
from hilum.model.arrival import header_id

SLICES = 150
MAKERS = ("GE MEDICAL SYSTEMS", "SIEMENS", "Philips", "TOSHIBA")
PARTS = ("CHEST", "HEAD", "ABDOMEN", "PELVIS", "KNEE", "BREAST")
THICKNESSES = ("0.625", "1.25", "2.5", "5")

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*')
_UID = re.compile(r'"2\.25\.[0-9]+"')

Maker = Callable[[random.Random, int], str]


def header_lines(rows: int, size: int, others: bool = True) -> Iterator[bytes]:
    """Batches of ``size`` lines, as the ledger's outbox gives them.

    Args:
        others: three of ten series are MR, with columns of their own; else all are CT.
    """
    rng = random.Random(7)
    ct, siemens, philips = (_template(kind) for kind in ("ct", "mr-siemens", "mr-philips"))
    batch: list[str] = []
    for index in range(-(-rows // SLICES)):
        chance = rng.random()
        template = ct if chance < 0.7 or not others else siemens if chance < 0.9 else philips
        batch += _series(rng, template, index, min(SLICES, rows - index * SLICES))
        while len(batch) >= size:
            yield "".join(batch[:size]).encode()
            batch = batch[size:]
    if batch:
        yield "".join(batch).encode()


def _template(kind: str) -> list[tuple[str, Maker | None]]:
    """A row in pieces, each a text, and what follows it in a slice; none is as it was."""
    made = Series(0, kind, ExplicitVRLittleEndian, 8)
    first, second = (read_header(Path(), io.BytesIO(made.instance(number))).row for number in (0, 1))
    found, others = _TOKEN.finditer(first), _TOKEN.finditer(second)
    pieces: list[tuple[str, Maker | None]] = []
    end = 0
    for token, other in zip(found, others, strict=True):
        if token[0] != other[0]:
            pieces.append((first[end : token.start()], _maker(token[0], other[0])))
            end = token.end()
    return [*pieces, (first[end:], None)]


def _maker(first: str, second: str) -> Maker:
    """What gives a slice its value, seen from the values of the first two."""
    if _UID.fullmatch(first):
        return lambda rng, number: f'"{_uid(rng)}"'
    quote = '"' if first.startswith('"') else ""
    start, after = first.strip('"'), second.strip('"')
    places = len(start.partition(".")[2])
    step = float(after) - float(start)
    return lambda rng, number: f"{quote}{float(start) + step * number:.{places}f}{quote}"


def _series(
    rng: random.Random, template: list[tuple[str, Maker | None]], index: int, slices: int
) -> Iterator[str]:
    day, patient, study = rng.randrange(14_600, 20_400), rng.randrange(10**6), _uid(rng)
    own = {
        "StudyInstanceUID": f'"{study}"',
        "SeriesInstanceUID": f'"{_uid(rng)}"',
        "PatientID": f'"P{patient:07}"',
        "AccessionNumber": f'"A{rng.randrange(10**8):08}"',
        "PatientAge": f'"0{rng.randrange(20, 90)}Y"',
        "PatientSex": rng.choice(('"F"', '"M"')),
        "PatientWeight": f'"{rng.randrange(45, 110)}.5"',
        "PatientBirthDate": str(rng.randrange(-14_000, 10_000)),
        "StudyTime": str(rng.randrange(25_200, 72_000) * 1_000_000),
        "SeriesNumber": f'"{rng.randrange(1, 12)}"',
        "Manufacturer": f'"{rng.choice(MAKERS)}"',
        "BodyPartExamined": f'"{rng.choice(PARTS)}"',
        "SliceThickness": f'"{rng.choice(THICKNESSES)}"',
        "StationName": f'"CT{rng.randrange(40):02}"',
        **dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"), str(day)),
    }
    names = re.compile('"(' + "|".join(own) + r')":(?:"[^"]*"|-?\d+)')
    pieces = [
        (_UID.sub(lambda _: f'"{_uid(rng)}"', names.sub(lambda m: f'"{m[1]}":{own[m[1]]}', text)), make)
        for text, make in template
    ]
    for number in range(slices):
        text = "".join(
            [part for piece, make in pieces for part in (piece, make(rng, number) if make else "")]
        )
        yield f"{_beside(study, index, number, text)},{text[1:]}\n"


def _beside(study: str, index: int, number: int, text: str) -> str:
    uid = text.partition('"SOPInstanceUID":"')[2].partition('"')[0]
    at = f"2026-01-01T{index // 3600 % 24:02}:{index // 60 % 60:02}:{index % 60:02}.{number:06}+00:00"
    return (
        f'{{"_row_id":"{header_id(uid)}","_recorded_at":"{at}",'
        f'"FileURI":"file:///data/archive/{study[-6:]}/{index}/{number:06}.dcm","FileSize":{533_000 + number},'
        f'"FileSHA256":"{hashlib.sha256(uid.encode()).hexdigest()}","TransferSyntaxUID":"1.2.840.10008.1.2.1",'
        f'"ArrivalTime":"{at}","Source":"folder"'
    )


def _uid(rng: random.Random) -> str:
    return f"2.25.{10**37 + rng.getrandbits(122)}"
