"""Homes that many scenarios look at and none changes, each processed once by the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from beds.commands import Said, hilum
from beds.hospital import write_hospital
from beds.real import real_file


@pytest.fixture(scope="session")
def real_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen real series of CT, MR and CR, through the built-in pipeline."""
    home = tmp_path_factory.mktemp("real") / "home"
    hilum("run", real_file("dicomdirtests"), home=home)
    return home


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Said]:
    """A folder of real scans and phantoms with what always lies between them: folder, home, and what the run said."""
    folder = tmp_path_factory.mktemp("hospital")
    home = folder / "home"
    write_hospital(folder / "scans")
    return folder / "scans", home, hilum("run", folder / "scans", "--json", home=home, code=1)
