"""What is named wrongly is one clear line, and leaves nothing behind: no home, and no folder of that name."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

import hilum as api
from beds.commands import Said, clean_environment, here, hilum
from hilum.errors import UsageError

THERE_ARE = "file://, gs://"


def lines(said: Said) -> list[str]:
    """What was said, where nothing is a mistake of ours."""
    assert "should not have" not in said.err
    assert said.out == ""
    return said.err.splitlines()


@pytest.mark.parametrize("command", [["run"], ["index"], ["serve", "--watch"]], ids=" ".join)
@pytest.mark.parametrize("address", ["s3://scans/ct", "http://host/a.dcm", "GS://bucket", "gcs://bucket"])
def test_an_address_of_an_unknown_kind_is_wrong_use_and_becomes_no_folder(
    command: list[str], address: str, tmp_path: Path
) -> None:
    wrong, what_there_is = lines(hilum(*command, address, cwd=tmp_path, code=2))
    scheme = address.partition("//")[0]
    assert wrong == f"hilum: {scheme}// addresses cannot be read here: {address}"
    assert THERE_ARE in what_there_is
    assert ("pubsub://" in what_there_is) == (command[0] == "serve")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address", ["folder", "./folder", "file:///tmp", "s3://scans", "pubsub://project/subscription", "nowhere"]
)
def test_a_sweep_of_what_is_no_bucket_is_wrong_use(address: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert lines(here("sweep", address, cwd=tmp_path, code=2)) == [
        f"hilum: a sweep looks at buckets, and {address} is none",
        "  help: write gs://BUCKET or gs://BUCKET/PREFIX; for a folder there is `hilum run`",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_sweep_of_a_member_of_an_archive_is_wrong_use(tmp_path: Path) -> None:
    said = lines(here("sweep", "gs://scans/ct.zip!/1.dcm", cwd=tmp_path, code=2))
    assert said == [
        "hilum: a sweep looks at objects, and gs://scans/ct.zip!/1.dcm is a member of one",
        "  help: name the archive: gs://scans/ct.zip",
    ]


@pytest.mark.parametrize("command", [["run"], ["index"], ["sweep"], ["serve", "--watch"]], ids=" ".join)
@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("gs://", "gs:// names no bucket"),
        ("gs:///ct", "gs:///ct names no bucket"),
        ("gs://Scans/ct", "gs://Scans/ct names no bucket"),
        ("gs://scans/[9-0].dcm", "the pattern gs://scans/[9-0].dcm cannot be read"),
    ],
)
def test_an_address_that_names_no_bucket_is_wrong_use(
    command: list[str], address: str, wrong: str, tmp_path: Path
) -> None:
    said = lines(here(*command, address, cwd=tmp_path, code=2))
    assert said[0] == f"hilum: {wrong}"
    assert len(said) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ["run", "index", "serve", "sweep"])
def test_from_python_too(method: str, tmp_path: Path) -> None:
    with api.open(tmp_path / "home") as home, pytest.raises(UsageError) as caught:
        getattr(home, method)("s3://scans")
    assert caught.value.reason == ("not-in-a-bucket" if method == "sweep" else "unknown-scheme")


def test_a_folder_may_be_watched_by_its_address(tmp_path: Path) -> None:
    with api.open(tmp_path / "home") as home:
        home.serve((tmp_path / "in box").as_uri(), stop=lambda: True)
    assert {path.name for path in tmp_path.iterdir()} == {"home", "in box"}


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_without_credentials_it_says_so_and_what_to_do(command: str, tmp_path: Path) -> None:
    """No metadata server answers on a port that nobody listens to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{taken.getsockname()[1]}"
        said = hilum(
            command,
            "gs://some-bucket",
            cwd=tmp_path,
            code=1,
            before=("env", "-u", "STORAGE_EMULATOR_HOST", "-u", "GOOGLE_APPLICATION_CREDENTIALS"),
            HOME=str(tmp_path),
            CLOUDSDK_CONFIG=str(tmp_path),
            GCE_METADATA_HOST=nowhere,
            GCE_METADATA_IP=nowhere,
        )
    assert lines(said) == [
        "hilum: there are no credentials that Cloud Storage takes",
        "  help: run `gcloud auth application-default login`, or give the machine a service account",
    ]
    assert not (tmp_path / ".hilum").exists()


WITHOUT = """
import sys
sys.modules["google.cloud.storage"] = None  # as where the extra is not installed
from hilum.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_without_the_extra_it_says_how_to_get_it(command: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, command, "gs://some-bucket"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "hilum: gs:// addresses need Google's client",
        "  help: pip install 'hilum[gcs]'",
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_a_bucket_that_does_not_exist_is_called_by_its_name(
    command: str, bucket: str, tmp_path: Path
) -> None:
    assert lines(here(command, "gs://no-such-bucket/in", cwd=tmp_path, code=1)) == [
        "hilum: the bucket no-such-bucket does not exist",
        "  help: check its name, or make it",
    ]
    assert list(tmp_path.iterdir()) == []
