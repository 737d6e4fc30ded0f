"""Every query of the repository, on DuckDB and on BigQuery's emulator: the same answer, or it stands on the page of
what the emulator cannot do, with its error.

The page is docs/reference/bigquery-emulator.md; HILUM_WRITE_PAGES=1 writes it anew. Lists that are empty and lists
that are null are one, since BigQuery has no null lists.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from beds.bigquery import Served
from beds.collection import lines_of, real_files, write_phantoms
from hilum.errors import HilumError
from hilum.warehouse.bigquery.address import parse_address
from hilum.warehouse.bigquery.warehouse import BigQueryWarehouse
from hilum.warehouse.interface import Warehouse
from hilum.warehouse.local import LocalWarehouse
from hilum.warehouse.output import plain
from hilum.warehouse.views import READY

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "bigquery-emulator.md"
FENCE = re.compile(r"^```sql\n(.*?)^```", re.S | re.M)
ABOUT = """# Queries that BigQuery's emulator does not answer as DuckDB does

Written by tests/cloud/test_same_answers.py. It runs every query of the repository (those that people write for
Imaging Data Commons, the SQL of the documentation, the ready-made views) over the same headers on DuckDB and on the
emulator. {same} of {all} have the same answer on both; here is each of the others, with what the emulator says. None
of them was run on BigQuery itself. Records inside records are the most frequent cause: the emulator cannot read them
back, so its tables have none, and what is deeper is JSON in `beyond_schema`.

| query | on the emulator |
|---|---|
"""


def queries() -> dict[str, str]:
    """Every query by a name that says where it is from."""
    found = {
        path.stem: path.read_text() for path in (ROOT / "tests" / "acceptance" / "googlesql").glob("*.sql")
    }
    for page in sorted((ROOT / "docs").rglob("*.md")):
        if page != PAGE:
            for number, sql in enumerate(FENCE.findall(page.read_text()), 1):
                found[f"{page.relative_to(ROOT)} {number}"] = sql
    found |= {f"view {name}": f"SELECT * FROM {name}" for name in READY}
    return dict(sorted(found.items()))


def test_every_query_of_the_repository_has_one_answer_or_is_on_the_page(
    tmp_path: Path, bigquery: Served
) -> None:
    paths = [*real_files(), *write_phantoms(tmp_path / "phantoms")]
    rows = [_without_reserved(line) for line in lines_of(paths)]
    local = LocalWarehouse(tmp_path / "collection")
    local.append(1, {}, "".join(rows).encode())
    cloud = BigQueryWarehouse(parse_address(bigquery.address()))
    cloud.append(1, {}, "".join(rows).encode())
    asked = queries()
    others, compared = {}, 0
    for name, sql in asked.items():
        here = answer(local, sql)
        if isinstance(here, str):
            continue  # an example of a mistake
        compared += 1
        there = answer(cloud, sql)
        if here != there:
            others[name] = there if isinstance(there, str) else "another answer"
    cloud.close()
    page = ABOUT.format(same=compared - len(others), all=compared)
    page += "".join(f"| {name} | {what} |\n" for name, what in others.items())
    if os.environ.get("HILUM_WRITE_PAGES"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page


def _without_reserved(line: str) -> str:
    """Without sequences that have ``Rows`` in their items: the emulator takes the name for a keyword there."""
    row = json.loads(line)
    kept = {
        name: value
        for name, value in row.items()
        if not (isinstance(value, list) and any(isinstance(item, dict) and "Rows" in item for item in value))
    }
    return json.dumps(kept) + "\n"


def answer(warehouse: Warehouse, sql: str) -> list[str] | str:
    """The rows, whatever their order, or the kind of the error."""
    try:
        rows = warehouse.query(sql).to_pylist()
    except HilumError as error:
        return f"{error.reason}: {error}"
    except Exception as error:  # Google's client cannot read what the emulator writes
        return f"the client fails: {type(error).__name__}"
    return sorted(json.dumps(_without_nothing(plain(row)), sort_keys=True) for row in rows)


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nothing(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_nothing(item) for item in value] or None
    return value
