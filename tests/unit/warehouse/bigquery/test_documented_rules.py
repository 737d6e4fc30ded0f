"""The requests that make and widen tables, held against what Google documents, since no emulator does that."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from beds.bigquery_catalogue import Catalogue, catalogue
from beds.bigquery_rules import broken_by, broken_by_change
from hilum.dicom.columns import CONVERSION_FAULTS, OTHER_ELEMENTS, column_of, is_sequence
from hilum.dicom.standard.keywords import keywords
from hilum.warehouse.bigquery.address import DEEPEST, parse_address
from hilum.warehouse.bigquery.schema import MOST_COLUMNS, ROOM, count, physical
from hilum.warehouse.bigquery.warehouse import BigQueryWarehouse
from hilum.warehouse.tables import HEADERS, TABLES
from hilum.warehouse.views import HISTORY, READY

CODE = {"CodeValue": "T-1", "CodingSchemeDesignator": "SCT", "CodeMeaning": "chest"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogue]:
    with catalogue() as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.host)
        yield server


@pytest.fixture
def warehouse(server: Catalogue) -> Iterator[BigQueryWarehouse]:
    warehouse = BigQueryWarehouse(parse_address("bigquery://my-project/imaging"))
    yield warehouse
    warehouse.close()


def header(words: list[str], **more: Any) -> dict[str, Any]:
    """A header with a value for each of these keywords; sequences have an item with a code's value in it."""
    item = {"CodeValue": "T-1"} | more
    return {word: [item] if is_sequence(word) else "1" for word in words}


def all_words() -> list[str]:
    """Keywords that a header can have a column for."""
    return [word for word in keywords() if column_of(word) is not None]


def nested(levels: int) -> dict[str, Any]:
    """A header with so many items inside one another."""
    item: dict[str, Any] = {"TextValue": "here"}
    for _ in range(levels):
        item = {"ContentSequence": [item], "ConceptNameCodeSequence": [CODE]}
    return item


def columns(server: Catalogue) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.tables[physical(HEADERS)]["schema"]["fields"]
    return found


def test_every_table_and_view_is_made_as_the_documentation_allows(
    server: Catalogue, warehouse: BigQueryWarehouse
) -> None:
    warehouse.fitting("runs", [])
    assert server.broken == []
    wanted = {*map(physical, TABLES), *(HISTORY + name for name in TABLES), *TABLES, *READY}
    assert set(server.tables) == wanted
    partitions = {server.tables[physical(name)]["timePartitioning"]["field"] for name in TABLES}
    assert partitions == {"_recorded_at"}
    assert all(server.tables[physical(name)]["clustering"]["fields"] for name in TABLES)


def test_a_table_with_every_keyword_of_the_dictionary_keeps_within_the_limits(
    server: Catalogue, warehouse: BigQueryWarehouse
) -> None:
    name = {"Alphabetic": {"FamilyName": "Doe"}}
    faults = {CONVERSION_FAULTS: [{"Tag": "0", "Keyword": "k", "Value": "v"}]}
    row = (
        header(all_words(), **CODE, PersonName=name)
        | faults
        | {OTHER_ELEMENTS: [{"Tag": "0", "Data": ["x"]}], "Tag_00091001": [CODE]}
    )
    [kept] = warehouse.fitting(HEADERS, [row])
    assert server.broken == []
    assert len(server.changes) == 1
    assert MOST_COLUMNS - ROOM - 20 <= count(columns(server)) <= MOST_COLUMNS - ROOM
    assert "beyond_schema" in kept  # with names and codes in every sequence, not all of it has room


def test_with_a_column_for_each_keyword_alone_all_of_the_dictionary_has_room(
    server: Catalogue, warehouse: BigQueryWarehouse
) -> None:
    [kept] = warehouse.fitting(HEADERS, [header(all_words())])
    assert server.broken == []
    assert set(all_words()) - {field["name"] for field in columns(server)} == set()
    assert len(all_words()) > 5_000
    assert "beyond_schema" not in kept


@pytest.mark.parametrize("levels", [1, DEEPEST, DEEPEST + 1, 40])
def test_records_are_never_nested_deeper_than_15_levels(
    levels: int, server: Catalogue, warehouse: BigQueryWarehouse
) -> None:
    [kept] = warehouse.fitting(HEADERS, [nested(levels)])
    assert server.broken == []
    assert ("beyond_schema" in kept) is (levels >= DEEPEST + 1)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes_first_later_headers_only_add_columns(
    seed: int, server: Catalogue, warehouse: BigQueryWarehouse
) -> None:
    random, words = Random(seed), all_words()
    random.shuffle(words)
    pieces = [words[begin : begin + 500] for begin in range(0, len(words), 500)]
    for piece in pieces:
        warehouse.fitting(HEADERS, [header(piece), nested(random.randrange(20))])
    assert server.broken == []
    assert len(server.changes) == len(pieces)
    assert set(words) - {field["name"] for field in columns(server)} == set()


def test_an_older_table_is_widened_to_what_this_version_has(
    server: Catalogue, warehouse: BigQueryWarehouse
) -> None:
    warehouse.fitting("runs", [])
    for name in TABLES:
        table = server.tables[physical(name)]
        table["labels"] = {"hilum": "before"}
        table["schema"] = {
            "fields": [field for field in table["schema"]["fields"] if field["name"] != "size"]
        }
    another = BigQueryWarehouse(warehouse.dataset)
    another.fitting("runs", [])
    another.close()
    assert server.broken == []
    assert len(server.changes) == len(TABLES)
    assert any(field["name"] == "size" for field in server.tables["arrivals_rows"]["schema"]["fields"])


TABLE: dict[str, Any] = {
    "tableReference": {"tableId": "t"},
    "schema": {
        "fields": [
            {"name": "at", "type": "TIMESTAMP", "mode": "REQUIRED"},
            {"name": "key", "type": "STRING"},
            {"name": "list", "type": "STRING", "mode": "REPEATED"},
            {"name": "number", "type": "FLOAT"},
            {"name": "record", "type": "RECORD", "fields": [{"name": "a", "type": "STRING"}]},
        ]
    },
    "timePartitioning": {"type": "DAY", "field": "at"},
    "clustering": {"fields": ["key"]},
    "labels": {"hilum": "0a"},
}


def with_columns(*added: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"fields": [*TABLE["schema"]["fields"], *added]}}


def without(name: str, **instead: Any) -> dict[str, Any]:
    kept = [field for field in TABLE["schema"]["fields"] if field["name"] != name]
    old = next(field for field in TABLE["schema"]["fields"] if field["name"] == name)
    return {"schema": {"fields": [*kept, old | instead] if instead else kept}}


def deep(levels: int) -> dict[str, Any]:
    field: dict[str, Any] = {"name": "leaf", "type": "STRING"}
    for level in range(levels):
        field = {"name": f"r{level}", "type": "RECORD", "mode": "REPEATED", "fields": [field]}
    return field


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (with_columns({"name": "1st", "type": "STRING"}), "column 1st"),
        (with_columns({"name": "ä", "type": "STRING"}), "column ä"),
        (with_columns({"name": "x" * 301, "type": "STRING"}), "length"),
        (with_columns({"name": "_partition_x", "type": "STRING"}), "reserved"),
        (with_columns({"name": "KEY", "type": "STRING"}), "twice"),
        (with_columns({"name": "x", "type": "VARCHAR"}), "NULLABLE VARCHAR"),
        (with_columns({"name": "x", "type": "STRING", "mode": "LIST"}), "LIST STRING"),
        (with_columns({"name": "x", "type": "STRING", "description": "d" * 1025}), "1,024"),
        (with_columns({"name": "x", "type": "RECORD", "fields": []}), "without fields"),
        (with_columns(deep(16)), "16th record"),
        (with_columns(*({"name": f"c{n}", "type": "STRING"} for n in range(10_000))), "10006 columns"),
        ({"schema": {"fields": []}}, "no column"),
        ({"description": "d" * 16_385}, "16,384"),
        ({"labels": {"Hilum": "x"}}, "Hilum=x"),
        ({"labels": {"hilum": "x" * 64}}, "a label is"),
        ({"labels": {f"k{n}": "" for n in range(65)}}, "64 labels"),
        ({"timePartitioning": {"type": "DAY", "field": "key"}}, "NULLABLE STRING"),
        ({"timePartitioning": {"type": "DAY", "field": "record.a"}}, "no top-level"),
        ({"timePartitioning": {"type": "WEEK", "field": "at"}}, "no known length"),
        ({"clustering": {"fields": ["list"]}}, "REPEATED STRING"),
        ({"clustering": {"fields": ["number"]}}, "NULLABLE FLOAT"),
        ({"clustering": {"fields": ["record.a"]}}, "no top-level"),
        ({"clustering": {"fields": ["key", "at", "a", "b", "c"]}}, "5 columns"),
        ({"view": {"query": "SELECT 1"}}, "legacy"),
        ({"view": {"query": "x" * 262_145, "useLegacySql": False}}, "256 K"),
        ({"tableReference": {"tableId": "a/b"}}, "the name"),
    ],
)
def test_the_check_sees_what_a_table_may_not_be(wrong: dict[str, Any], told: str) -> None:
    assert broken_by(TABLE) == broken_by(TABLE | with_columns(deep(15))) == []
    assert any(told in rule for rule in broken_by(TABLE | wrong))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without("key"), "column key is gone"),
        (without("number", type="INTEGER"), "was FLOAT and is INTEGER"),
        (without("list", mode="NULLABLE"), "was REPEATED and is NULLABLE"),
        (without("key", mode="REQUIRED"), "was NULLABLE and is REQUIRED"),
        (without("record", fields=[{"name": "b", "type": "STRING"}]), "column record.a is gone"),
        (with_columns({"name": "x", "type": "STRING", "mode": "REQUIRED"}), "added as REQUIRED"),
        ({"timePartitioning": {"type": "HOUR", "field": "at"}}, "timePartitioning is another"),
    ],
)
def test_the_check_sees_what_a_change_may_not_do(change: dict[str, Any], told: str) -> None:
    fine = with_columns({"name": "x", "type": "STRING"}, {"name": "y", "type": "DATE", "mode": "REPEATED"})
    assert broken_by_change(TABLE, fine) == broken_by_change(TABLE, without("at", mode="NULLABLE")) == []
    assert any(told in rule for rule in broken_by_change(TABLE, change))
