"""Queries as people write them for Imaging Data Commons, over real headers: the rows are those that pydicom finds.

``googlesql/`` has a query (.sql) and its rows (.json); beds/answers finds them without SQL. All three have one name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from beds.answers import ANSWERS
from beds.collection import data_sets, real_files, warehouse_of, write_phantoms
from hilum.warehouse.local import LocalWarehouse
from hilum.warehouse.output import plain

FOLDER = Path(__file__).with_name("googlesql")
QUERIES = sorted(FOLDER.glob("*.sql"))


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [*real_files(), *write_phantoms(tmp_path_factory.mktemp("phantoms"))]


@pytest.fixture(scope="module")
def warehouse(paths: list[Path], tmp_path_factory: pytest.TempPathFactory) -> LocalWarehouse:
    return warehouse_of(tmp_path_factory.mktemp("collection"), paths)


def expected(query: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(query.with_suffix(".json").read_text())
    return found


@pytest.mark.parametrize("query", QUERIES, ids=lambda path: path.stem)
def test_a_query_for_bigquery_has_its_rows(query: Path, warehouse: LocalWarehouse) -> None:
    rows = warehouse.query(query.read_text()).to_pylist()
    assert [plain(row) for row in rows] == expected(query)


def test_the_rows_are_those_that_pydicom_finds(paths: list[Path]) -> None:
    found = data_sets(paths)
    answers = {name: json.loads(json.dumps(answer(found))) for name, answer in ANSWERS.items()}
    assert answers == {query.stem: expected(query) for query in QUERIES}
    assert len(answers) >= 60
