"""What else reads DICOM headers, each as its users would use it: one function a peer and work.

Packages that Hilum does not need are installed beside the corpus, outside the project's environment; programs come
from Debian (`tools/peers`). What cannot be had is a reason in the table, never a silent gap.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pydicom

from benchmarks.contest import Missing
from benchmarks.corpus import CACHE

PACKAGES = ("dicomsdl==0.109.4", "fastdicom==0.1.0")
KEYWORDS = (
    *("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "SOPClassUID", "PatientID", "Modality"),
    *("Manufacturer", "StudyDate", "StudyTime", "SeriesNumber", "InstanceNumber", "BodyPartExamined"),
    *("Rows", "Columns", "SliceThickness", "KVP"),
)
BEFORE_PIXELS = 0x7FDFFFFF


def package(name: str) -> Any:
    """A package of :data:`PACKAGES`, installed if it is not there."""
    folder = CACHE / "-".join(["peers", f"{sys.version_info.major}.{sys.version_info.minor}", *PACKAGES])
    if not folder.exists():
        uv = Path(sys.executable).with_name("uv")
        making = folder.with_name(f"{folder.name}.making")
        options = ["--quiet", "--python", sys.executable, "--target", str(making)]
        command = [str(uv), "pip", "install", *options, *PACKAGES]
        try:
            subprocess.run(command, check=True, capture_output=True)
            making.rename(folder)
        except (OSError, subprocess.CalledProcessError):
            raise Missing("PyPI does not give it") from None
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Missing(f"cannot be imported: {error}") from None


def program(name: str) -> str:
    """A program's path."""
    if found := shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin"):
        return found
    raise Missing("not installed; `tools/peers` does")


def pydicom_lazily(path: Path) -> Any:
    """Parsed, no value decoded."""
    return pydicom.dcmread(path, stop_before_pixels=True)


def pydicom_dict(path: Path) -> Any:
    """Every value."""
    return _pydicom_values(pydicom.dcmread(path, stop_before_pixels=True))


def _pydicom_values(dataset: Any) -> dict[int, Any]:
    return {
        element.tag: [_pydicom_values(item) for item in element.value]
        if element.VR == "SQ"
        else element.value
        for element in dataset
    }


def pydicom_json(path: Path) -> str:
    """DICOM JSON text."""
    return json.dumps(pydicom.dcmread(path, stop_before_pixels=True).to_json_dict())


def pydicom_script(paths: list[Path], folder: Path, digest: bool) -> None:
    """What a good engineer writes today: a few columns, the rest as one JSON column, Parquet."""
    rows = []
    for path in paths:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        row = {name: str(dataset.get(name, "")) for name in KEYWORDS}
        if digest:
            with path.open("rb") as stream:
                row["sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()
        row["header"] = json.dumps(dataset.to_json_dict())
        rows.append(row)
    pq.write_table(pa.Table.from_pylist(rows), folder / "script.parquet", compression="zstd")


def dicomsdl_dict(path: Path) -> Any:
    """Every value, by its own iterator."""
    dicomsdl = package("dicomsdl")

    def values(dataset: Any) -> dict[int, Any]:
        found = {}
        for element in dataset:
            if element.vr() == dicomsdl.VR.SQ:
                items = element.toSequence()
                found[element.tag()] = [values(items[index]) for index in range(len(items))]
            else:
                found[element.tag()] = element.value()
        return found

    return values(dicomsdl.open_file(str(path), load_until=BEFORE_PIXELS))


def fastdicom_dict(path: Path) -> Any:
    """Every value, by its own iterator."""
    fastdicom = package("fastdicom")

    def values(dataset: Any) -> dict[int, Any]:
        found = {}
        for (group, number), value in dataset.items():
            items = value.__class__ is list and value and isinstance(value[0], fastdicom.Dataset)
            found[group << 16 | number] = [values(item) for item in value] if items else value
        return found

    return values(fastdicom.dcmread(str(path), stop_before_pixels=True))


def gdcm_dict(path: Path) -> Any:
    """Every element as the text that its StringFilter gives."""
    import gdcm

    reader = gdcm.Reader()
    reader.SetFileName(str(path))
    if not reader.ReadUpToTag(gdcm.Tag(0x7FE0, 0x0010)):
        raise Missing(f"cannot read {path.name}")
    texts = gdcm.StringFilter()
    texts.SetFile(reader.GetFile())

    def values(dataset: Any) -> dict[int, Any]:
        found: dict[int, Any] = {}
        for element in dataset.GetDES():
            tag = element.GetTag()
            number = tag.GetGroup() << 16 | tag.GetElement()
            if number > BEFORE_PIXELS:
                continue
            if str(element.GetVR()) == "SQ":
                items = element.GetValueAsSQ()
                count = items.GetNumberOfItems()
                found[number] = [
                    values(items.GetItem(index + 1).GetNestedDataSet()) for index in range(count)
                ]
            else:
                found[number] = texts.ToString(element)
        return found

    return values(reader.GetFile().GetDataSet())


def dcm2json(path: Path) -> bytes:
    """DICOM JSON text: a process a file, since the program takes one."""
    command = [program("dcm2json"), "-q", "-fc", str(path)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


class Server(NamedTuple):
    """An HTTP port, and the process that answers there."""

    port: int
    process: int


def processor_seconds(process: int) -> float:
    """What a running process has used of the processor."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def orthanc(folder: Path) -> Iterator[Server]:
    """An Orthanc server with an empty storage, stopped at the end."""
    found = program("Orthanc")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "HttpThreadsCount": 10,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([found, str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        _wait_for(port, server)
        yield Server(port, server.pid)
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if server.poll() is not None:
            raise Missing("Orthanc does not start")
        with contextlib.suppress(OSError), contextlib.closing(_connect(port)) as connection:
            connection.request("GET", "/system")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise Missing("Orthanc does not answer")


def _connect(port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def upload(port: int, paths: list[Path]) -> None:
    """Import files into Orthanc by REST over one connection that is kept open."""
    with contextlib.closing(_connect(port)) as connection:
        for path in paths:
            connection.request("POST", "/instances", path.read_bytes())
            answer = connection.getresponse()
            if answer.status != 200 or json.loads(answer.read())["Status"] != "Success":
                raise RuntimeError(f"Orthanc refused {path.name}")
