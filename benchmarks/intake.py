"""From files to SQL: Hilum's intake, step by step, beside what else reads headers and the machine's own limits.

``python -m benchmarks intake [--files N] [--rounds N] [--rows N] [--quick]`` prints docs/performance.md's tables. All
contenders of a row take turns in one run on the same files, which were read before. Ratios are those of processor
time, children's included: on a quiet machine that is the time by the clock, on a busy one the clock flatters what is
short. What Hilum gives is held against pydicom first.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import hilum
from benchmarks import corpus, peers
from benchmarks.agreement import check_json, check_warehouse
from benchmarks.memory import index_many
from benchmarks.scanning import scan_dict, scan_json, scan_row

NOTHING = 'name: nothing\nscope: series\nwhen: Modality == "none"\nsteps:\n  qc: {uses: qc}\n'
HEADER = 1 << 14


class Spent(NamedTuple):
    """Seconds by the clock, and of the processor."""

    clock: float
    processor: float


@dataclass
class Contender:
    """One way to do a row's work.

    Attributes:
        once: does all of it; the time of starting servers is not in it.
        amount: files, or one object several times.
    """

    name: str
    once: Callable[[], Spent]
    amount: int
    spent: list[Spent] = field(default_factory=list)
    missing: str = ""

    def best(self) -> Spent:
        """Seconds for one file, in the best round."""
        return Spent(*(min(each) / self.amount for each in zip(*self.spent, strict=True)))

    def median(self) -> float:
        """The same by the clock, in the median round."""
        return statistics.median(each.clock for each in self.spent) / self.amount


@dataclass
class Row:
    """A row of the issue's table; its first contender is what pydicom's users have today.

    Attributes:
        bar: what Hilum is to reach, told in files a second of the machine that the bars were set on.
    """

    work: str
    bar: str
    contenders: list[Contender]
    each: bool = True


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="instances for the figures of memory and disk"
    )
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.files, chosen.rounds, chosen.rows = 60, 1, 2_000
    paths = corpus.corpus(chosen.files)
    check(paths, chosen.files)
    size = sum(path.stat().st_size for path in paths)
    print(f"{len(paths)} files, {size / len(paths) / 1000:,.0f} kB each, warm; {chosen.rounds} rounds\n")
    for row in table(paths, chosen.files):
        measure(row, chosen.rounds)
        show(row)
    for name, figure in index_many(chosen.rows).items():
        print(f"{name:<56}{figure:>20}")


def check(paths: list[Path], count: int) -> None:
    """Hold what will be timed against pydicom."""
    strangers = corpus.strangers(count)
    elements = check_json([*paths[::5], *strangers[::20], corpus.enhanced()])
    print(f"DICOM JSON is pydicom's in {elements:,} of {elements:,} elements")
    ways: list[tuple[Callable[[list[Path], Path], None], bool]] = [
        (run, True),
        (index, True),
        (partial(index, digest=False), False),
    ]
    for way, digest in ways:
        with tempfile.TemporaryDirectory() as folder:
            way(paths, Path(folder))
            check_warehouse(Path(folder) / "home", paths, digest=digest)
    print(f"the warehouse's rows are pydicom's and hashlib's for {len(paths)} files")


def table(paths: list[Path], count: int) -> list[Row]:
    """The rows, by the issue's words."""
    alone, strangers, large = corpus.headers_alone(count), corpus.strangers(count), corpus.enhanced()
    few = paths[:: max(1, len(paths) // 100)]
    one = [large] * 5

    def hashed(name: str, workers: int) -> Contender:
        return _whole(name, lambda folder: index(paths, folder, workers=workers), len(paths))

    return [
        Row(
            "headers, all columns, SHA-256 → warehouse",
            ">= 1,500 files/s, 7.0 x pydicom's script, within 1.6 x of the limit",
            [
                _whole(
                    "pydicom: JSON, SHA-256, Parquet",
                    lambda folder: peers.pydicom_script(paths, folder, True),
                    len(paths),
                ),
                _each("limit: read and SHA-256", read_and_hash, paths),
                hashed("hilum index", 1),
                hashed("hilum index --workers 2", 2),
                _whole(
                    "hilum run (ledger and subjects as well)", lambda folder: run(paths, folder), len(paths)
                ),
                _orthanc("Orthanc: REST import, one connection", paths, 1),
                _orthanc("Orthanc: REST import, four connections", paths, 4),
            ],
        ),
        Row(
            "header-only index, all columns",
            ">= 3,500 files/s, 14.1 x pydicom's script",
            [
                _whole(
                    "pydicom: JSON, Parquet",
                    lambda folder: peers.pydicom_script(paths, folder, False),
                    len(paths),
                ),
                _each("limit: open and read 16 KiB", read_start, paths),
                _whole(
                    "hilum index --no-digest", lambda folder: index(paths, folder, digest=False), len(paths)
                ),
            ],
        ),
        Row(
            "scanner to a dict",
            ">= 9,000 files/s, 21.4 x pydicom",
            [
                _each("pydicom: every value", peers.pydicom_dict, few),
                _each("pydicom: parsed, no value decoded", peers.pydicom_lazily, few),
                _each("hilum", scan_dict, paths),
                _each("hilum, no two files of one series", scan_dict, strangers),
                _each("fastdicom", peers.fastdicom_dict, paths),
                _each("dicomsdl", peers.dicomsdl_dict, paths),
                _each("gdcm", peers.gdcm_dict, few),
            ],
        ),
        Row(
            "scanner to DICOM JSON text",
            ">= 6,000 files/s, 23 x pydicom",
            [
                _each("pydicom: to_json_dict, json.dumps", peers.pydicom_json, few),
                _each("hilum", scan_json, paths),
                _each("hilum, no two files of one series", scan_json, strangers),
                _each("hilum, to a warehouse row's text", scan_row, paths),
                _each(
                    "dcmtk's dcm2json (a process a file, no pixels)",
                    peers.dcm2json,
                    alone[:: len(paths) // len(few)],
                ),
            ],
        ),
        Row(
            "a 96-frame enhanced MR header (7,040 elements)",
            "<= 12 ms, 16.4 x pydicom",
            [
                _each("pydicom: to_json_dict, json.dumps", peers.pydicom_json, one),
                _each("hilum: DICOM JSON text", scan_json, one),
                _each("hilum: a warehouse row's text", scan_row, one),
                _each("hilum: dict", scan_dict, one),
                _each("fastdicom: dict", peers.fastdicom_dict, one),
                _each("dicomsdl: dict", peers.dicomsdl_dict, one),
                _each("gdcm: dict", peers.gdcm_dict, one),
                _each("dcmtk's dcm2json", peers.dcm2json, one),
            ],
            each=False,
        ),
    ]


def read_and_hash(path: Path) -> None:
    """The limit where content is hashed: every byte once."""
    with path.open("rb") as stream:
        hashlib.file_digest(stream, "sha256").digest()


def read_start(path: Path) -> None:
    """The limit of reading headers."""
    with path.open("rb", buffering=0) as stream:
        stream.read(HEADER)


def index(paths: list[Path], folder: Path, *, digest: bool = True, workers: int = 1) -> None:
    """``hilum index`` into a new home."""
    with hilum.open(folder / "home", workers=workers) as home:
        home.index(paths[0].parents[1], digest=digest)


def run(paths: list[Path], folder: Path) -> None:
    """``hilum run`` into a new home, with nothing to compute."""
    (folder / "nothing.yaml").write_text(NOTHING)
    with hilum.open(folder / "home", workers=1) as home:
        report = home.run(paths[0].parents[1], pipelines=[folder / "nothing.yaml"])
        if report.intake != {"accepted": len(paths)}:
            raise SystemExit(f"took in {dict(report.intake)}")


def _each(name: str, work: Callable[[Path], object], paths: list[Path]) -> Contender:
    def all_of_them() -> None:
        for path in paths:
            work(path)

    return Contender(name, lambda: _timed(all_of_them), len(paths))


def _whole(name: str, work: Callable[[Path], object], amount: int) -> Contender:
    def once() -> Spent:
        with tempfile.TemporaryDirectory() as folder:
            return _timed(lambda: work(Path(folder)))

    return Contender(name, once, amount)


def _orthanc(name: str, paths: list[Path], connections: int) -> Contender:
    shares = [paths[first::connections] for first in range(connections)]

    def once() -> Spent:
        with tempfile.TemporaryDirectory() as folder, peers.orthanc(Path(folder)) as server:
            before = peers.processor_seconds(server.process)
            with ThreadPoolExecutor(connections) as threads:
                spent = _timed(lambda: list(threads.map(partial(peers.upload, server.port), shares)))
            return spent._replace(processor=peers.processor_seconds(server.process) - before)

    return Contender(name, once, len(paths))


def _timed(work: Callable[[], object]) -> Spent:
    clock, processor = time.perf_counter(), _processor()
    work()
    return Spent(time.perf_counter() - clock, _processor() - processor)


def _processor() -> float:
    """Seconds of the processor so far, of this process and its ended children."""
    usages = (resource.getrusage(which) for which in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(row: Row, rounds: int) -> None:
    """Let a row's contenders take turns, after one turn that does not count."""
    for turn in range(rounds + 1):
        for contender in row.contenders:
            if contender.missing:
                continue
            gc.collect()
            try:
                spent = contender.once()
            except peers.Missing as error:
                contender.missing = str(error)
            else:
                contender.spent += [spent] if turn else []


def show(row: Row) -> None:
    """Print a row's table in Markdown."""
    unit = "files/s" if row.each else "ms"
    print(f"**{row.work}** (bar: {row.bar})\n")
    columns = ("best", "median", "processor", "x pydicom", "of limit")
    print(f"| {unit:<48} | " + " | ".join(f"{name:>9}" for name in columns) + " |")
    print(f"|{'-' * 50}|" + f"{'-' * 10}:|" * len(columns))
    reference = row.contenders[0].best().processor
    limits = [each.best().processor for each in row.contenders if each.name.startswith("limit")]
    for contender in row.contenders:
        if contender.missing:
            print(f"| {contender.name:<48} | {contender.missing} |" + " |" * (len(columns) - 1))
            continue
        best = contender.best()
        times = best.clock, contender.median(), best.processor
        cells = [f"{1 / each:,.0f}" if row.each else f"{1000 * each:,.1f}" for each in times]
        cells.append(f"{reference / best.processor:.1f}")
        cells.append(f"1/{best.processor / limits[0]:.2f}" if limits else "")
        print(f"| {contender.name:<48} | " + " | ".join(f"{cell:>9}" for cell in cells) + " |")
    print(flush=True)


if __name__ == "__main__":
    main()
