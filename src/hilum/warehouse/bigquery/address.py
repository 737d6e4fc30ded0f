"""Addresses of datasets, such as ``bigquery://my-project/imaging?location=europe-west4``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from hilum.errors import UsageError

SCHEME = "bigquery"
DEEPEST = 15
"""Levels of nested records that BigQuery takes: "Maximum depth of nested records" in its table limits."""

_PROJECT = re.compile(r"[a-z][a-z0-9.:-]{2,}[a-z0-9]")
_DATASET = re.compile(r"\w{1,1024}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where the tables are.

    Attributes:
        location: where the dataset is made if it is not there; empty means Google's default, the US.
        nesting: records inside one another that tables have; what is deeper is kept as JSON.
    """

    project: str
    name: str
    location: str = ""
    nesting: int = DEEPEST

    @property
    def path(self) -> str:
        """As SQL names it between backticks."""
        return f"{self.project}.{self.name}"


def parse_address(address: str) -> Dataset:
    """The dataset of a ``bigquery://PROJECT/DATASET`` address.

    Raises:
        UsageError: ``bad-settings``: it is none.
    """
    parts = urlsplit(address)
    options = dict(parse_qsl(parts.query))
    location, nesting = options.pop("location", ""), options.pop("nesting", str(DEEPEST))
    name = parts.path.removeprefix("/")
    right = parts.scheme == SCHEME and _PROJECT.fullmatch(parts.netloc) and _DATASET.fullmatch(name)
    if not right or options or not nesting.isdecimal() or not 1 <= int(nesting) <= DEEPEST:
        raise UsageError(
            f"{address!r} is no address of a warehouse",
            reason="bad-settings",
            hint="write bigquery://PROJECT/DATASET, and ?location=REGION if it is not the US",
        )
    return Dataset(parts.netloc, name, location, int(nesting))
