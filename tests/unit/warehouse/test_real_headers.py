import json
from pathlib import Path
from typing import Any

import pydicom

from beds.headers import lines
from hilum.dicom.header import read_header
from hilum.errors import HilumError
from hilum.warehouse.local import LocalWarehouse

FILES = Path(pydicom.data.__file__).parent / "test_files"


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted(FILES.glob("*.dcm")):
        try:
            found.append({**json.loads(read_header(path).row), "_row_id": f"i-{len(found)}"})
        except HilumError:
            continue
    return found


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: each for name, item in value.items() if (each := without_nulls(item)) is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def test_real_headers_of_many_makers_are_the_same_after_compaction(tmp_path: Path) -> None:
    warehouse = LocalWarehouse(tmp_path / "warehouse")
    headers = rows()
    size = len(headers) // 8
    for batch in range(1, 9):
        part = headers[(batch - 1) * size : batch * size]
        warehouse.append(batch, {}, lines(*part))
    sql = "SELECT * FROM dicom_metadata ORDER BY _row_id"
    before = warehouse.query(sql).to_pylist()
    assert warehouse.compact() == 7
    after = warehouse.query(sql).to_pylist()
    assert len(after) == 8 * size > 50
    assert without_nulls(after) == without_nulls(before)
    sent = {row["_row_id"]: row for row in headers}
    for row in after:
        assert row["Modality"] == sent[row["_row_id"]].get("Modality")
        assert row["SOPInstanceUID"] == sent[row["_row_id"]]["SOPInstanceUID"]
