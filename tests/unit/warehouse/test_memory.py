"""What writing takes: the process that records lives as long as the engine does."""

import subprocess
import sys
from pathlib import Path

import pytest

WRITE = """
import sys
from pathlib import Path
from beds.headers import lines
from hilum.warehouse.local import LocalWarehouse

warehouse = LocalWarehouse(Path(sys.argv[1]))
known = warehouse.known_files(hashed=True)
for batch in range(1, 13):
    uri = f"{batch}.dcm"
    arrivals = [{"uri": uri, "size": batch, "arrived_at": "2026-01-01T00:00:00+00:00"}]
    warehouse.append(batch, {"arrivals": arrivals}, lines({"_row_id": uri, "Modality": "CT"}))
assert warehouse.compact() > 0
print("pandas" in sys.modules, "duckdb" in sys.modules)
"""


def test_a_new_warehouse_is_written_and_compacted_without_pandas_and_duckdb(tmp_path: Path) -> None:
    """Arrow imports pandas when it is handed Python's values: 35 MB and half a second. DuckDB takes 75 MB."""
    pytest.importorskip("pandas")
    tests = Path(__file__).parents[2]
    command = [sys.executable, "-c", WRITE, str(tmp_path / "warehouse")]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(tests)})
    assert done.stdout == "False False\n", done.stderr
