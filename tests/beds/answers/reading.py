"""What pydicom reads, as the columns of ``dicom_metadata`` have it; and how to choose and to group it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

Row = dict[str, Any]
Answer = Callable[[list[Dataset]], list[Row]]

DOE = ("77654033", "98890234")
"""Patient IDs of the two real people whose series are in folders."""
ANSWERS: dict[str, Answer] = {}
"""By the name of the query that they answer."""


def answer(find: Answer) -> Answer:
    """Keep an answer under its name."""
    ANSWERS[find.__name__] = find
    return find


def text(d: Dataset, keyword: str) -> str | None:
    """A single value as it was sent, None where there is none."""
    value = d.get(keyword)
    return None if value is None or str(value) == "" else str(value)


def texts(d: Dataset, keyword: str) -> list[str]:
    """All values, as they were sent."""
    value = d.get(keyword)
    if value is None or value == "":
        return []
    return [str(each).strip() for each in ([value] if isinstance(value, str) else value)]


def number(d: Dataset, keyword: str) -> float | None:
    value = text(d, keyword)
    return None if value is None else float(value)


def day(d: Dataset, keyword: str = "StudyDate") -> date | None:
    value = (text(d, keyword) or "").replace(".", "")
    return datetime.strptime(value, "%Y%m%d").date() if value else None


def clock(d: Dataset, keyword: str) -> time | None:
    value = text(d, keyword)
    if not value:
        return None
    whole, _, fraction = value.partition(".")
    found = datetime.strptime(whole.replace(":", "").ljust(6, "0"), "%H%M%S").time()
    return found.replace(microsecond=int(fraction.ljust(6, "0")[:6] or 0))


def size(d: Dataset) -> int:
    return Path(d.filename).stat().st_size


def z(d: Dataset) -> float:
    return float(d.ImagePositionPatient[2])


def iso(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def of(data: Iterable[Dataset], keyword: str, *values: str | None) -> list[Dataset]:
    return [d for d in data if text(d, keyword) in values]


def grouped(data: Iterable[Dataset], key: Callable[[Dataset], Any]) -> dict[Any, list[Dataset]]:
    """Groups in order of their key, None first."""
    found = defaultdict(list)
    for d in data:
        found[key(d)].append(d)
    return dict(sorted(found.items(), key=lambda item: (item[0] is not None, item[0])))


def by_modality(data: Iterable[Dataset]) -> dict[Any, list[Dataset]]:
    return grouped(data, lambda d: text(d, "Modality"))


def by_series(data: Iterable[Dataset]) -> dict[Any, list[Dataset]]:
    return grouped(data, lambda d: d.SeriesInstanceUID)


def by_uid(data: Iterable[Dataset]) -> list[Dataset]:
    return sorted(data, key=lambda d: d.SOPInstanceUID)


def phantoms(data: Iterable[Dataset]) -> list[Dataset]:
    return [d for d in data if (text(d, "PatientID") or "").startswith("PHANTOM")]


def the(data: Iterable[Dataset], modality: str) -> Dataset:
    [found] = of(data, "Modality", modality)
    return found


def rows(keys: str, found: Iterable[tuple[Any, ...]]) -> list[Row]:
    names = keys.split()
    return [dict(zip(names, values, strict=True)) for values in found]
