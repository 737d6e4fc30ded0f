"""Hilum's own images, built by deploy/images/build on a Docker engine of the tests' own. No registry is reached here,
so their base is made of Debian packages.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from beds.docker_engine import DockerEngine
from beds.images import Image, docker_archive
from hilum.version import __version__

BUILD = Path(__file__).parents[2] / "deploy" / "images" / "build"
LIBRARY = next(Path("/usr/lib").glob("*/libstdc++.so.6"))
"""What wheels take from a base that the tests' own lacks; every public Python base has it."""
BASE = "hilum-bed/python:3.11"
ENGINE = f"hilum:{__version__}"
ATTEMPT = f"hilum-attempt:{__version__}"


@dataclass(frozen=True)
class BuiltImages:
    """The images on their engine, and the folder with the lists of what is in them."""

    engine: DockerEngine
    folder: Path

    def save(self, *images: str) -> Path:
        """An archive of some."""
        archive = self.folder / "images.tar"
        self.engine.docker("save", "--output", str(archive), *images)
        return archive


def build_images(engine: DockerEngine, folder: Path) -> BuiltImages:
    """Build both."""
    base = Image(BASE, files={str(LIBRARY): LIBRARY.read_bytes()})
    engine.load(docker_archive(folder / "base.tar", base))
    subprocess.run(
        ["nice", "-n", "5", BUILD, folder],
        check=True,
        env={**os.environ, "BASE": BASE, "DOCKER": "/usr/bin/docker", "DOCKER_HOST": engine.host},
    )
    return BuiltImages(engine, folder)
