"""From files to SQL: Hilum's intake, step by step, beside what else reads headers and the machine's own limits.

``python -m benchmarks.intake [--files N] [--rounds N] [--rows N] [--quick]`` prints docs/performance.md's tables.
What Hilum gives is held against pydicom first; then all contenders of a row take turns on the same files, which were
read before.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import hilum
from benchmarks import corpus, peers
from benchmarks.agreement import check_json, check_warehouse
from benchmarks.contest import Contender, Row, Spent, each, measure, show, timed, whole
from benchmarks.memory import index_many
from benchmarks.scanning import decoded, dict_scanner, json_scanner
from hilum.dicom.header import read_header

NOTHING = 'name: nothing\nscope: series\nwhen: Modality == "none"\nsteps:\n  qc: {uses: qc}\n'
HEADER = 1 << 14
FEW = 100
MORE = 16
"""Times as many files where processes have to be started first."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="instances of memory's and disk's figures"
    )
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.files, chosen.rounds, chosen.rows = 60, 1, 2_000
    paths = corpus.corpus(chosen.files)
    check(paths, corpus.strangers(chosen.files))
    size = sum(path.stat().st_size for path in paths)
    print(f"{len(paths)} files, {size / len(paths) / 1000:,.0f} kB each, warm; {chosen.rounds} rounds\n")
    for row in table(paths, chosen.files):
        measure(row, chosen.rounds)
        show(row)
    for name, figure in index_many(chosen.rows).items():
        print(f"{name:<56}{figure:>20}")


def check(paths: list[Path], strangers: list[Path]) -> None:
    """Hold what will be timed against pydicom."""
    elements = check_json([*paths[::5], *strangers[::20], *corpus.enhanced()[:2]])
    print(f"DICOM JSON is pydicom's in {elements:,} of {elements:,} elements")
    scan, sample = dict_scanner(), [*paths[::5], *strangers[::20], *corpus.enhanced()[:2]]
    if repr([scan(path) for path in sample]) != repr([decoded(path) for path in sample]):
        raise SystemExit("the dicts are not what the scanner's elements say")
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
    """The rows; what is slow takes fewer of the same files."""
    strangers, objects = corpus.strangers(count), corpus.enhanced()
    every = max(1, len(paths) // FEW)
    few, few_strangers = paths[::every], strangers[::every]
    few_alone, more = corpus.headers_alone(count)[::every], corpus.corpus(MORE * count)

    def script(name: str, digest: bool) -> Contender:
        return whole(name, lambda folder: peers.pydicom_script(paths, folder, digest), len(paths))

    def ours(name: str, way: Callable[[list[Path], Path], None], chosen: list[Path] = paths) -> Contender:
        return whole(name, lambda folder: way(chosen, folder), len(chosen))

    def one(name: str, prepare: Callable[[], Callable[[Path], object]]) -> Contender:
        return each(name, prepare, objects, used_to=1)

    return [
        Row(
            "headers, all columns, SHA-256 → warehouse",
            ">= 1,500 files/s, 7.0 x pydicom's script, within 1.6 x of the limit",
            [
                script("pydicom: JSON, SHA-256, Parquet", True),
                each("limit: read and SHA-256", lambda: read_and_hash, paths),
                ours("hilum index", index),
                ours("hilum run (ledger and subjects as well)", run),
                orthanc("Orthanc: REST import, one connection", paths, 1),
                orthanc("Orthanc: REST import, four connections", paths, 4),
            ],
        ),
        Row(
            "header-only index, all columns",
            ">= 3,500 files/s, 14.1 x pydicom's script",
            [
                script("pydicom: JSON, Parquet", False),
                each("limit: open and read 16 KiB", lambda: read_start, paths),
                ours("hilum index --no-digest", partial(index, digest=False)),
            ],
        ),
        *(
            Row(
                f"two processes, {len(more):,} files{'' if digest else ', header only'}",
                ">= 1.7 x one by the clock, which only a machine with two idle cores tells",
                [
                    ours("one process", partial(index, digest=digest), more),
                    ours("two", partial(index, digest=digest, workers=2), more),
                ],
                against="one",
                by_clock=True,
            )
            for digest in (True, False)
        ),
        Row(
            "scanner to a dict",
            ">= 9,000 files/s, 21.4 x pydicom",
            [
                each("pydicom: every value", lambda: peers.pydicom_dict, few),
                each("pydicom: parsed, no value decoded", lambda: peers.pydicom_lazily, few),
                each("hilum", dict_scanner, paths),
                each("fastdicom", lambda: peers.fastdicom_dict, paths),
                each("dicomsdl", lambda: peers.dicomsdl_dict, paths),
                each("gdcm", lambda: peers.gdcm_dict, few),
            ],
        ),
        Row(
            "the same, of CTs of which no two are of one series",
            "none",
            [
                each("pydicom: every value", lambda: peers.pydicom_dict, few_strangers),
                each("hilum", dict_scanner, strangers),
                each("fastdicom", lambda: peers.fastdicom_dict, strangers),
            ],
        ),
        Row(
            "scanner to DICOM JSON text",
            ">= 6,000 files/s, 23 x pydicom",
            [
                each("pydicom: to_json_dict, json.dumps", lambda: peers.pydicom_json, few),
                each("hilum", json_scanner, paths),
                each("hilum: to a warehouse row's text", lambda: read_header, paths),
                each("dcmtk's dcm2json (a process a file, no pixels)", lambda: peers.dcm2json, few_alone),
            ],
        ),
        Row(
            "a 96-frame enhanced MR header (7,040 elements)",
            "<= 12 ms, 16.4 x pydicom",
            [
                one("pydicom: to_json_dict, json.dumps", lambda: peers.pydicom_json),
                one("hilum: DICOM JSON text", json_scanner),
                one("hilum: a warehouse row's text", lambda: read_header),
                one("hilum: dict", dict_scanner),
                one("fastdicom: dict", lambda: peers.fastdicom_dict),
                one("dicomsdl: dict", lambda: peers.dicomsdl_dict),
                one("gdcm: dict", lambda: peers.gdcm_dict),
                one("dcmtk's dcm2json", lambda: peers.dcm2json),
            ],
            unit="ms",
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


def orthanc(name: str, paths: list[Path], connections: int) -> Contender:
    """Orthanc, whose own processor time counts and not that of those who send to it."""
    shares = [paths[first::connections] for first in range(connections)]

    def once() -> Spent:
        with tempfile.TemporaryDirectory() as folder, peers.orthanc(Path(folder)) as server:
            before = peers.processor_seconds(server.process)
            with ThreadPoolExecutor(connections) as threads:
                spent = timed(lambda: list(threads.map(partial(peers.upload, server.port), shares)))
            return spent._replace(processor=peers.processor_seconds(server.process) - before)

    return Contender(name, once, len(paths))


if __name__ == "__main__":
    main()
