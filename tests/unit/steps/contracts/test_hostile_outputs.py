"""Whatever a container leaves, collecting it ends, gives only regular files of the output folder, or says why not."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beds.contract_jobs import SUBJECT, step_plan
from hilum.errors import StepError
from hilum.model.subject import Scope
from hilum.steps.contracts import CONTRACTS, contract_of, results
from hilum.steps.contracts.interface import Collected, Job
from hilum.steps.contracts.results import DEEPEST, is_dicom, left_in

NAMES = st.sampled_from(
    [
        "a",
        "b.json",
        "measurements.json",
        "result.json",
        "task.json",
        "c.dcm",
        "..a",
        "ä",
        "-rf",
        " ",
        "x" * 200,
    ]
)
BAD_NAMES = st.sampled_from(["new\nline", "\x1b[31m", "back\\slash", "\u2028", "tab\t", "\x7f"])
CONTENTS = st.sampled_from(
    [b"", b"{}", b"[" * 5000, b"\xff\xfe", b"\0" * 128 + b"DICM" + b"rest", b"NaN", b"null"]
)


@st.composite
def entries(draw: st.DrawFn) -> tuple[tuple[str, ...], str, bytes]:
    """A path, what is there, and its content."""
    names = st.one_of(NAMES, NAMES, NAMES, BAD_NAMES)
    path = tuple(draw(st.lists(names, min_size=1, max_size=4)))
    kind = draw(
        st.sampled_from(["file", "file", "link", "outside", "up", "loop", "fifo", "socket", "folder"])
    )
    return path, kind, draw(CONTENTS)


def make(folder: Path, path: tuple[str, ...], kind: str, content: bytes) -> None:
    target = folder.joinpath(*path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink() or target.exists():
            return
        match kind:
            case "file":
                target.write_bytes(content)
            case "link":
                target.symlink_to("a")
            case "outside":
                target.symlink_to(folder.parent / "secret")
            case "up":
                target.symlink_to(folder.parent)
            case "loop":
                target.symlink_to(target.name)
            case "fifo":
                os.mkfifo(target)
            case "socket":
                with socket.socket(socket.AF_UNIX) as bound:
                    bound.bind(str(target))
            case "folder":
                target.mkdir()
    except (OSError, ValueError):  # the path goes through a file, or is too long for a socket
        pass


def collect(contract: str, folder: Path, **image: object) -> Collected:
    plan = step_plan(contract, **image)
    return contract_of(contract).collect(Job(plan, Scope.SERIES, SUBJECT), folder)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(CONTRACTS)),
    st.lists(entries(), max_size=8),
    st.sampled_from([{}, {"all": "**"}, {"all": "**/*"}, {"some": "*/a", "rest": "**/*.json"}]),
)
def test_only_regular_files_of_the_folder_are_outputs(
    contract: str, left: list[tuple[tuple[str, ...], str, bytes]], outputs: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "out"
        folder.mkdir()
        (Path(place) / "secret").write_text("secret")
        (Path(place) / "measurements.json").write_text("secret")
        for path, kind, content in left:
            make(folder, path, kind, content)
        try:
            found = collect(contract, folder, outputs=outputs)
        except StepError as error:
            refused = str(error)
            assert refused.isprintable()
            return
        regular = {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and path.resolve() == folder.resolve() / path.relative_to(folder)
        }
        named = [file.path for file in found.files]
        assert len(set(named)) == len(named)
        assert set(named) <= regular
        assert set(found.instances) == {name for name in named if is_dicom(folder / name)}
        if not outputs:
            kept_back = {"native": {"measurements.json"}, "mercure": {"task.json"}}.get(contract, set())
            assert set(named) == regular - kept_back


@pytest.mark.parametrize("kind", ["link", "outside", "up", "loop", "fifo", "socket"])
@pytest.mark.parametrize("contract", ["native", "mercure"])
def test_a_document_that_is_no_file_is_not_read(tmp_path: Path, contract: str, kind: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (tmp_path / "secret").write_text('[{"name": "volume", "value": 1}]')
    name = {"native": "measurements.json", "mercure": "result.json"}[contract]
    make(folder, (name,), kind, b"")
    found = collect(contract, folder, measurements=({"name": "volume", "kind": "number"},))
    assert (found.files, found.measurements, found.beside) == ((), (), 1)


def test_a_device_is_no_output(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make devices")
    try:
        os.mknod(tmp_path / "zero", 0o020666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices cannot be made here")
    assert collect("native", tmp_path) == Collected(beside=1)


@pytest.mark.parametrize("name", [b"\xff.json", b"a\nb", b"a\\b", b"\xe2\x80\xa8"])
def test_a_name_that_nobody_can_keep_fails(tmp_path: Path, name: bytes) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_text("x")
    with pytest.raises(StepError) as failed:
        left_in(tmp_path)
    assert failed.value.reason == "bad-output-name"


def test_folders_without_end_fail(tmp_path: Path) -> None:
    deepest = tmp_path.joinpath(*["d"] * (DEEPEST + 1))
    deepest.mkdir(parents=True)
    with pytest.raises(StepError) as failed:
        left_in(tmp_path)
    assert failed.value.reason == "bad-output-name"
    deepest.rmdir()
    assert left_in(tmp_path).files == ()


def test_files_without_number_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "MOST_FILES", 20)
    for number in range(20):
        (tmp_path / str(number)).symlink_to("nowhere") if number % 2 else (tmp_path / str(number)).touch()
    assert left_in(tmp_path).beside == 10
    (tmp_path / "one more").touch()
    with pytest.raises(StepError) as failed:
        left_in(tmp_path)
    assert failed.value.reason == "too-many-outputs"


def test_a_glob_leads_nowhere_else(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "a").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (folder / "a" / "up").symlink_to(tmp_path)
    for glob in ("../secret", "a/up/secret", "/etc/passwd", "a/../../secret", "**/secret"):
        with pytest.raises(StepError) as failed:
            collect("command", folder, outputs={"stolen": glob})
        assert failed.value.reason == "output-missing"
