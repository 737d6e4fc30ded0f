import pyarrow as pa
import pytest

from hilum.warehouse.schemas import conform, union_schema, union_type

INT, FLOAT, TEXT = pa.int64(), pa.float64(), pa.string()


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        (INT, INT, INT),
        (INT, FLOAT, FLOAT),
        (INT, TEXT, TEXT),
        (pa.null(), INT, INT),
        (pa.date32(), TEXT, TEXT),
        (INT, pa.list_(INT), pa.list_(INT)),
        (pa.list_(INT), pa.list_(TEXT), pa.list_(TEXT)),
        (pa.struct([("a", INT)]), TEXT, TEXT),
        (
            pa.list_(pa.struct([("a", INT), ("b", pa.list_(pa.struct([("c", INT)])))])),
            pa.list_(pa.struct([("b", pa.list_(pa.struct([("d", TEXT)]))), ("e", FLOAT)])),
            pa.list_(
                pa.struct([("a", INT), ("b", pa.list_(pa.struct([("c", INT), ("d", TEXT)]))), ("e", FLOAT)])
            ),
        ),
    ],
)
def test_two_types_have_one_that_holds_both(left: pa.DataType, right: pa.DataType, both: pa.DataType) -> None:
    assert union_type(left, right) == both


@pytest.mark.parametrize(
    ("before", "other", "after"),
    [
        (pa.array([1, None]), TEXT, ["1", None]),
        (pa.array([1, None]), pa.list_(INT), [[1], None]),
        (pa.array([{"a": 1}, None]), TEXT, ['{"a": 1}', None]),
        (pa.array([{"a": 1}, None]), pa.struct([("b", TEXT)]), [{"a": 1, "b": None}, None]),
        (pa.array([[{"a": 1}], []]), pa.list_(pa.struct([("a", TEXT)])), [[{"a": "1"}], []]),
        (pa.array([{"a": 1}]), pa.struct([("a", pa.list_(INT))]), [{"a": [1]}]),
    ],
)
def test_values_are_kept_when_their_type_widens(
    before: pa.Array, other: pa.DataType, after: list[object]
) -> None:
    rows = pa.table({"v": before, "unchanged": range(len(before))})
    schema = union_schema([pa.schema([("new", TEXT), ("v", other)]), rows.schema])
    found = conform(rows, schema)
    assert found.schema == schema
    assert found.column("v").to_pylist() == after
    assert found.column("new").to_pylist() == [None] * len(before)
