"""From files to a queryable warehouse: `hilum run` with nothing to compute, against the script that a good engineer
writes today (pydicom to JSON, SHA-256, Parquet) and against the machine's own limit, in one run on the same files.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pydicom

import hilum
from benchmarks.headers import make_corpus, read_and_hash

KEYWORDS = [
    *("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "SOPClassUID", "PatientID", "Modality"),
    *("Manufacturer", "StudyDate", "StudyTime", "SeriesNumber", "InstanceNumber", "BodyPartExamined"),
    *("Rows", "Columns", "SliceThickness", "KVP"),
]
NOTHING = 'name: nothing\nscope: series\nwhen: Modality == "none"\nsteps:\n  qc: {uses: qc}\n'


def limit(paths: list[Path], folder: Path) -> None:
    """Every byte read and hashed, nothing kept."""
    for path in paths:
        read_and_hash(path)


def script(paths: list[Path], folder: Path) -> None:
    """The hand-made script: a few columns, the rest as one JSON column."""
    rows = []
    for path in paths:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        row = {name: str(dataset.get(name, "")) for name in KEYWORDS}
        row["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        row["header"] = json.dumps(dataset.to_json_dict())
        rows.append(row)
    pq.write_table(pa.Table.from_pylist(rows), folder / "script.parquet", compression="zstd")


def ours(paths: list[Path], folder: Path) -> None:
    """A home from nothing: ledger, quarantine checks, subjects, revisions and all columns in the warehouse."""
    (folder / "nothing.yaml").write_text(NOTHING)
    with hilum.open(folder / "home") as home:
        report = home.run(paths[0].parent, pipelines=[folder / "nothing.yaml"])
        if report.intake != {"accepted": len(paths)}:
            raise SystemExit(f"took in {dict(report.intake)}")


def rate(work: Callable[[list[Path], Path], None], paths: list[Path], rounds: int) -> float:
    """Files a second: the best of some rounds, each in a folder of its own."""
    best = float("inf")
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            work(paths, Path(folder))
            best = min(best, time.perf_counter() - start)
    return len(paths) / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 files, to see that it works")
    count, rounds = (20, 1) if parser.parse_args().quick else (400, 3)
    with tempfile.TemporaryDirectory() as folder:
        paths = make_corpus(Path(folder), count)
        contenders = {
            "read and SHA-256 (the limit)": limit,
            "hand-made: pydicom, JSON, SHA-256, Parquet": script,
            "hilum run, all columns, ledger and warehouse": ours,
        }
        rates = {name: rate(work, paths, rounds) for name, work in contenders.items()}
    reference = rates["hand-made: pydicom, JSON, SHA-256, Parquet"]
    print(f"{count} files, one process, best of {rounds}")
    for name, found in rates.items():
        print(f"{name:48}{found:9,.0f} files/s{found / reference:8.1f} x hand-made")


if __name__ == "__main__":
    main()
