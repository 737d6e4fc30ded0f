"""How fast the warehouse takes header rows with all their columns, how small it keeps them, and how fast it answers.

    python -m benchmarks.warehouse [--rows 1000000] [--replace 0] [--in FOLDER] [--quick]

Writes rows of CT and MR headers batch by batch and compacts as the recorder does, and twenty measurements a series.
Then asks, in a process that asked before and in a fresh interpreter. With ``--replace`` some rows come a second time.
``--in`` keeps the warehouse there, and asks one that is there already.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.lines import header_lines
from hilum.engine.recorder import COMPACT_AFTER
from hilum.warehouse.local import LocalWarehouse

BATCH_ROWS = 1024
QUESTIONS = {
    "group all by modality and body part": """
        SELECT Modality, BodyPartExamined, count(*) AS instances FROM dicom_metadata
        GROUP BY ALL ORDER BY instances DESC
    """,
    "cohort: series of thin chest CTs by maker": """
        SELECT Manufacturer, count(DISTINCT SeriesInstanceUID) AS series FROM dicom_metadata
        WHERE Modality = 'CT' AND BodyPartExamined = 'CHEST' AND TRY_CAST(SliceThickness AS DOUBLE) < 2
        GROUP BY Manufacturer
    """,
    "join of measurements with header columns": """
        SELECT Manufacturer, m.name, count(*) AS series, avg(m.value) AS mean FROM measurements m
        JOIN (SELECT SeriesInstanceUID, any_value(Manufacturer) AS Manufacturer FROM dicom_metadata
              WHERE Modality = 'CT' GROUP BY SeriesInstanceUID) USING (SeriesInstanceUID)
        GROUP BY ALL
    """,
    "one series by its UID": "SELECT * FROM dicom_metadata WHERE SeriesInstanceUID = '{series}'",
}
FRESH = """
import sys
from pathlib import Path
from hilum.warehouse.local import LocalWarehouse
LocalWarehouse(Path(sys.argv[1])).query(sys.argv[2])
"""


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--replace", type=int, default=0, help="rows that come again, the last of all")
    parser.add_argument("--in", dest="folder", type=Path, help="keep it there")
    parser.add_argument("--quick", action="store_true", help="20,000 rows, to see that it works")
    options = parser.parse_args()
    rows = 20_000 if options.quick else options.rows
    with tempfile.TemporaryDirectory() as folder:
        root = (options.folder or Path(folder)) / "warehouse"
        if not root.exists():
            show(write(root, rows, options.replace))
        show(ask(root, 3 if options.quick else 21))


def show(figures: dict[str, str]) -> None:
    for name, value in figures.items():
        print(f"{name:<48}{value:>22}", flush=True)


def write(root: Path, rows: int, replaced: int) -> dict[str, str]:
    """Make a warehouse; what that took."""
    warehouse = LocalWarehouse(root, grace=0)
    appending = compacting = longest = busy = 0.0
    before, samples = resident(), []
    number = 0
    for number, lines in enumerate(_batches(rows, replaced), start=1):
        start, processor = time.perf_counter(), time.process_time()
        warehouse.append(number, {}, lines)
        middle = time.perf_counter()
        samples.append(resident())
        if number % COMPACT_AFTER == 0:
            warehouse.compact()
            samples.append(resident())
        end = time.perf_counter()
        appending, compacting = appending + middle - start, compacting + end - middle
        longest, busy = max(longest, end - middle), busy + time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # queries come later
    series = warehouse.query("SELECT DISTINCT SeriesInstanceUID AS uid FROM dicom_metadata").column("uid")
    warehouse.append(number + 1, {"measurements": list(_measurements(map(str, series.to_pylist())))})
    for _ in range(2):  # what the first compaction replaced, the second one takes away
        warehouse.compact()
    files = list(root.glob("dicom_metadata/*.parquet"))
    size = sum(file.stat().st_size for file in files)
    quarter = -(-len(samples) // 4)
    quarters = [max(samples[start : start + quarter]) for start in range(0, len(samples), quarter)]
    return {
        "rows": f"{rows:,}",
        "columns": str(len(warehouse.query("SELECT * FROM dicom_metadata LIMIT 0").column_names)),
        "append, rows/s": f"{rows / appending:,.0f}",
        "append and compact, rows/s": f"{rows / (appending + compacting):,.0f}",
        "processor time a row, us": f"{busy / rows * 1e6:.0f}",
        "longest compaction, s": f"{longest:.1f}",
        "files": str(len(files)),
        "bytes a row": f"{size / rows:.0f}",
        "resident MB before": f"{before / 1e6:.0f}",
        "resident MB between batches, by quarters": " ".join(f"{each / 1e6:.0f}" for each in quarters),
        "resident MB at the peak": f"{peak / 1e6:.0f}",
    }


def ask(root: Path, repeat: int) -> dict[str, str]:
    """Milliseconds a question takes, the least and the median."""
    warehouse = LocalWarehouse(root)
    [[series]] = warehouse.query("SELECT SeriesInstanceUID FROM dicom_metadata LIMIT 1").to_pydict().values()
    found = {}
    for name, question in QUESTIONS.items():
        sql = question.format(series=series)
        command = [sys.executable, "-c", FRESH, str(root), sql]
        found[f"{name}, ms"] = _milliseconds(partial(warehouse.query, sql), repeat)
        fresh = partial(subprocess.run, command, check=True)
        found[f"{name[:18]}..., fresh interpreter, ms"] = _milliseconds(fresh, max(repeat // 5, 1))
    return found


def _milliseconds(work: Callable[[], Any], repeat: int) -> str:
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start))
    return f"{min(taken):,.0f} / {statistics.median(taken):,.0f}"


def _batches(rows: int, replaced: int) -> Iterator[bytes]:
    last = b""
    for lines in header_lines(rows, BATCH_ROWS):
        yield lines
        last = lines
    again = last.splitlines(keepends=True)
    while replaced > 0:
        yield b"".join(again[:replaced])
        replaced -= len(again)


def _measurements(series: Iterable[str]) -> Iterator[dict[str, Any]]:
    rng = random.Random(7)
    for uid in series:
        for number in range(20):
            yield {
                "_row_id": f"m-{uid[-16:]}-{number}",
                "name": f"volume-{number}",
                "value": rng.random(),
                "unit": "mL",
                "SeriesInstanceUID": uid,
            }


if __name__ == "__main__":
    main()
