"""Hilum as people install it: the wheel, in an environment that has nothing else, far from the checkout.

All other tests run from the checkout, where a file that the wheel forgets is found all the same.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from beds.cache import uv
from beds.commands import clean_environment
from hilum.version import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "hilum"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable, "-o", folder, ROOT)
    (built,) = folder.glob("hilum-*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin of an environment with the wheel and what it asks for, without extras, at the lock's versions."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    uv("venv", "--quiet", "--python", sys.executable, place)
    install = ("pip", "install", "--quiet", "--python", place / "bin" / "python")
    uv(*install, "--constraint", ROOT / "requirements.lock", wheel)
    return place / "bin"


def ran(cwd: Path, *command: str | Path) -> str:
    """What a command says, which has to succeed and cannot see the checkout."""
    environment = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    files = [path for path in SOURCES.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if name.startswith("hilum/")}
    assert names == {path.relative_to(SOURCES.parent).as_posix() for path in files}


def test_an_installed_hilum_processes_a_phantom(programs: Path, tmp_path: Path) -> None:
    where = ran(tmp_path, programs / "python", "-c", "import hilum; print(hilum.__file__)")
    assert where.startswith(str(programs.parent))
    assert __version__ in ran(tmp_path, programs / "hilum", "--version")
    ran(tmp_path, programs / "python", "-m", "hilum.dicom.phantom", "scans", "chest")
    slices = len(list((tmp_path / "scans").rglob("*.dcm")))
    said = ran(tmp_path, programs / "hilum", "run", "scans")
    assert f"{slices} objects: {slices} accepted" in said
    names = {path.name for path in (tmp_path / ".hilum" / "results").rglob("*")}
    assert names >= {"findings.json", "volume.nii.gz", "montage.png", "histogram.json"}
    said = ran(tmp_path, programs / "hilum", "query", "SELECT count(*) AS n FROM dicom_metadata")
    assert said == f"n\n{slices}\n"


def test_an_installed_hilum_has_its_templates_and_examples(programs: Path, tmp_path: Path) -> None:
    ran(tmp_path, programs / "hilum", "step", "new", "mine")
    assert list((tmp_path / "mine").iterdir()) != []
    lungs = ran(
        tmp_path, programs / "python", "-c", "import hilum.examples as e; print(e.__path__[0])"
    ).strip()
    assert ": valid (" in ran(tmp_path, programs / "hilum", "validate", Path(lungs) / "lungs.yaml")
