"""Text that repeats is moved about as numbers; the rows are the same as without."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hilum.warehouse.compact import merge, merged_schema
from hilum.warehouse.files import DataFile, listing
from hilum.warehouse.parquet import open_file, writer
from hilum.warehouse.repeated import numbered, repeated
from hilum.warehouse.tables import TABLES

HEADERS = TABLES["dicom_metadata"]
ROWS, GROUPS = 300, 3


def header(batch: int, number: int) -> dict[str, Any]:
    """A row with text of either kind, also inside a sequence, and absent every now and then."""
    item = {"ReferencedSOPClassUID": "1.2.840.1", "ReferencedSOPInstanceUID": f"1.2.{batch}.{number}" * 3}
    return {
        "_row_id": f"i-{batch}-{number}",
        "Modality": ("MR", None, "CT")[number % 3],
        "SeriesInstanceUID": f"1.2.{batch}.{number % 2}",
        "ImageType": ["ORIGINAL", "PRIMARY"][: number % 3],
        "SourceImageSequence": [item] * (number % 3),
        "_batch": batch,
        "_seq": number,
        "_row_key": batch * ROWS + number,
    }


def batch_file(folder: Path, batch: int) -> DataFile:
    """A sorted file of some row groups, each with a dictionary of its own."""
    rows = [header(batch, number) for number in range(ROWS)]
    rows.sort(key=lambda row: (row["Modality"] is None, row["Modality"] or "", row["SeriesInstanceUID"]))
    path = folder / f"batch-{batch:020}.parquet"
    table = pa.Table.from_pylist(rows)
    with writer(path, table.schema) as out:
        out.write_table(table, row_group_size=ROWS // GROUPS)
    return next(file for file in listing(folder)[0] if file.path == path)


def test_files_of_several_row_groups_keep_every_value_when_merged(tmp_path: Path) -> None:
    files = [batch_file(tmp_path, batch) for batch in (1, 2, 3)]
    target = tmp_path / "merged.parquet"
    merge(HEADERS, files, merged_schema(HEADERS, files), target)
    found = pq.read_table(target).select(list(header(1, 0))).to_pylist()
    assert len(found) == 3 * ROWS
    sent = [header(row["_batch"], row["_seq"]) for row in found]
    assert found == sent
    order = [(row["Modality"] is None, row["Modality"] or "", row["SeriesInstanceUID"]) for row in found]
    assert order == sorted(order)


def test_text_that_repeats_throughout_is_told_from_text_that_does_not(tmp_path: Path) -> None:
    with open_file(batch_file(tmp_path, 1).path) as file:
        [paths] = repeated([file.metadata])
    inside = "SourceImageSequence.list.element"
    assert {"Modality", "SeriesInstanceUID", "ImageType.list.element"} <= paths
    assert f"{inside}.ReferencedSOPClassUID" in paths
    assert not {"_row_id", f"{inside}.ReferencedSOPInstanceUID"} & paths


def test_a_file_is_asked_for_what_it_has_only_and_the_schema_agrees_with_it(tmp_path: Path) -> None:
    one = batch_file(tmp_path, 1).path
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"StationName": ["CT01"] * ROWS, "Modality": ["CT"] * ROWS}), other)
    with open_file(one) as first, open_file(other) as second:
        texts = repeated([first.metadata, second.metadata])
        plain = second.schema_arrow
    assert texts[1] == {"StationName", "Modality"}
    assert "StationName" not in texts[0]
    with open_file(other, texts[1]) as file:
        assert file.schema_arrow.equals(numbered(plain, texts[0] | texts[1]))
