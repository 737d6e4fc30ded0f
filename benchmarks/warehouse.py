"""How fast the warehouse takes header rows, how small it keeps them, and how fast it answers.

    python -m benchmarks.warehouse [--rows 1000000] [--retract 100] [--quick]

Writes synthetic header rows of about 60 columns, nested ones among them, batch by batch as the recorder does, and
compacts as it goes. Then groups them all by modality and body part: in a process that asked before, and in a fresh
interpreter from its start to its end. With ``--retract`` some rows were taken back before.
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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hilum.kernel.digest import digest_bytes, short_id
from hilum.warehouse.local import LocalWarehouse

BATCH_ROWS = 5_000
SLICES = 150
QUESTION = """
SELECT Modality, BodyPartExamined, count(*) AS instances FROM dicom_metadata GROUP BY ALL ORDER BY instances DESC
"""
FRESH = """
import sys
from pathlib import Path
from hilum.warehouse.local import LocalWarehouse
LocalWarehouse(Path(sys.argv[1])).query(sys.argv[2])
"""
MODALITIES = ["CT"] * 69 + ["MR"] * 26 + ["PT", "US", "DX", "CR", "MG"]
BODY_PARTS = ["CHEST", "HEAD", "ABDOMEN", "BREAST", "KNEE", "PELVIS", None]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--retract", type=int, default=0, help="rows to take back")
    parser.add_argument("--quick", action="store_true", help="50,000 rows")
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "warehouse"
        report = _write(root, 50_000 if options.quick else options.rows, options.retract)
        report |= _ask(root, options.repeat)
    for name, value in report.items():
        print(f"{name:<44}{value:>16}")


def _write(root: Path, rows: int, retract: int) -> dict[str, str]:
    warehouse = LocalWarehouse(root, grace=0)
    appending = compacting = longest = 0.0
    some_ids: list[str] = []
    for number, batch in enumerate(_batches(rows), start=1):
        start = time.perf_counter()
        warehouse.append(number, {"dicom_metadata": batch})
        middle = time.perf_counter()
        warehouse.compact()
        end = time.perf_counter()
        appending, compacting = appending + middle - start, compacting + end - middle
        longest = max(longest, end - middle)
        some_ids.append(batch[0]["_row_id"])
    if retract:
        gone = [
            {"_row_id": f"x-{id_}", "table_name": "dicom_metadata", "row_id": id_}
            for id_ in some_ids[:retract]
        ]
        warehouse.append(number + 1, {"retractions": gone})
    warehouse.compact()
    files = list(root.glob("dicom_metadata/*.parquet"))
    size = sum(file.stat().st_size for file in files)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rows": f"{rows:,}",
        "columns": str(len(warehouse.query("SELECT * FROM dicom_metadata LIMIT 0").column_names)),
        "append, rows/s": f"{rows / appending:,.0f}",
        "append and compact, rows/s": f"{rows / (appending + compacting):,.0f}",
        "longest compaction, s": f"{longest:.1f}",
        "files": str(len(files)),
        "bytes a row": f"{size / rows:.0f}",
        "peak resident memory, MiB": f"{peak:.0f}",
    }


def _ask(root: Path, repeat: int) -> dict[str, str]:
    warehouse = LocalWarehouse(root)
    warm = [_seconds(lambda: warehouse.query(QUESTION)) for _ in range(repeat)]
    command = [sys.executable, "-c", FRESH, str(root), QUESTION]
    fresh = [_seconds(lambda: subprocess.run(command, check=True)) for _ in range(max(repeat // 3, 1))]
    return {
        "group all, warm process, min / median ms": f"{min(warm) * 1e3:.0f} / {statistics.median(warm) * 1e3:.0f}",
        "group all, whole process, min / median ms": f"{min(fresh) * 1e3:.0f} / {statistics.median(fresh) * 1e3:.0f}",
    }


def _seconds(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _batches(rows: int) -> Iterator[list[dict[str, Any]]]:
    rng = random.Random(7)
    batch: list[dict[str, Any]] = []
    series: dict[str, Any] = {}
    for number in range(rows):
        if number % SLICES == 0:
            series = _series(rng)
        batch.append(_instance(rng, series, number % SLICES))
        if len(batch) == BATCH_ROWS or number == rows - 1:
            yield batch
            batch = []


def _uid(rng: random.Random) -> str:
    return f"2.25.{rng.getrandbits(122)}"


def _series(rng: random.Random) -> dict[str, Any]:
    day = f"20{rng.randrange(10, 26)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
    family = rng.choice(["Adams", "Baker", "Clark", "Davis", "Evans"])
    name = {"Alphabetic": {"FamilyName": family, "GivenName": rng.choice(["Ann", "Bob", "Cleo"])}}
    return {
        "TransferSyntaxUID": "1.2.840.10008.1.2.1",
        "Source": "folder",
        "SpecificCharacterSet": ["ISO_IR 100"],
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "StudyDate": day,
        "SeriesDate": day,
        "AcquisitionDate": day,
        "StudyTime": f"{rng.randrange(24):02}:30:00.000000",
        "AccessionNumber": f"A{rng.randrange(10**7)}",
        "Modality": rng.choice(MODALITIES),
        "Manufacturer": rng.choice(["SIEMENS", "GE MEDICAL SYSTEMS", "Philips"]),
        "InstitutionName": "General Hospital",
        "ReferringPhysicianName": {"Alphabetic": {"FamilyName": "House"}},
        "StationName": f"CT{rng.randrange(40)}",
        "StudyDescription": rng.choice(["Chest routine", "Head without contrast", "Knee"]),
        "SeriesDescription": f"axial {rng.randrange(1, 6)} mm",
        "ManufacturerModelName": rng.choice(["Definition AS", "Revolution", "Ingenia"]),
        "PatientName": name,
        "PatientID": f"P{rng.randrange(10**6):06}",
        "PatientBirthDate": f"19{rng.randrange(30, 99)}-01-01",
        "PatientSex": rng.choice("FM"),
        "PatientAge": f"{rng.randrange(20, 90):03}Y",
        "PatientWeight": str(rng.randrange(45, 110)),
        "BodyPartExamined": rng.choice(BODY_PARTS),
        "SliceThickness": "1.25",
        "KVP": "120",
        "DataCollectionDiameter": "500",
        "DeviceSerialNumber": f"{rng.randrange(10**5)}",
        "SoftwareVersions": ["syngo CT 2012B"],
        "ProtocolName": "Thorax",
        "ReconstructionDiameter": "360",
        "ConvolutionKernel": ["B31f"],
        "PatientPosition": "HFS",
        "StudyInstanceUID": _uid(rng),
        "SeriesInstanceUID": _uid(rng),
        "StudyID": "1",
        "SeriesNumber": str(rng.randrange(1, 12)),
        "AcquisitionNumber": "1",
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
        "FrameOfReferenceUID": _uid(rng),
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 512,
        "Columns": 512,
        "PixelSpacing": ["0.703125", "0.703125"],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "WindowCenter": ["40", "-600"],
        "WindowWidth": ["400", "1200"],
        "RescaleIntercept": "-1024",
        "RescaleSlope": "1",
        "RequestAttributesSequence": [
            {
                "ScheduledProcedureStepDescription": "CT chest",
                "ScheduledProtocolCodeSequence": [{"CodeValue": "24627-2", "CodingSchemeDesignator": "LN"}],
            }
        ],
    }


def _instance(rng: random.Random, series: dict[str, Any], slice_: int) -> dict[str, Any]:
    uid = _uid(rng)
    digest = digest_bytes(uid.encode())
    return {
        **series,
        "_row_id": short_id("i", uid, digest),
        "_recorded_at": "2026-01-01T00:00:00.000001+00:00",
        "FileURI": f"file:///data/{series['SeriesInstanceUID']}/{slice_:06}.dcm",
        "FileSize": 533_000 + rng.randrange(1000),
        "FileSHA256": digest,
        "ArrivalTime": "2026-01-01T00:00:00.000001+00:00",
        "SOPInstanceUID": uid,
        "InstanceNumber": str(slice_ + 1),
        "ContentTime": f"10:{slice_ // 60:02}:{slice_ % 60:02}.250000",
        "ImagePositionPatient": ["-180", "-180", f"{slice_ * 1.25:g}"],
        "SliceLocation": f"{slice_ * 1.25:g}",
    }


if __name__ == "__main__":
    main()
