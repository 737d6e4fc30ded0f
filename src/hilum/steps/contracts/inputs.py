"""The folder that a container sees as its input. Files in it are hard links where the original can be read by every
user and lies on the same disk, else copies: a symbolic link would not resolve in a container, and an original is
never changed, not even its mode. Names are ours, so no name of a patient's file gets in.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hilum.steps.context import InputInstance, Needed

READABLE = 0o644
ENTERABLE = 0o755
INSTANCES = "instances"


class InputFolder:
    """Files by their names relative to a folder; whatever user a container runs as can read them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.chmod(ENTERABLE)

    def make(self, name: str) -> Path:
        """A folder of this name, with those above it."""
        folder = self.folder
        for part in Path(name).parts:
            folder = folder / part
            if not folder.is_dir():
                folder.mkdir()
                folder.chmod(ENTERABLE)
        return folder

    def add(self, source: Path, name: str) -> str:
        """A file of the same content as ``source``; returns its name."""
        self.make(str(Path(name).parent))
        place(source, self.folder / name)
        return name

    def add_tree(self, source: Path, name: str) -> str:
        """A file, or a folder with all regular files below it."""
        if not source.is_dir():
            return self.add(source, name)
        self.make(name)
        for path in sorted(source.rglob("*")):
            if path.is_file():
                self.add(path, f"{name}/{path.relative_to(source).as_posix()}")
        return name

    def write_json(self, name: str, value: Any) -> str:
        """A file that holds ``value`` as JSON."""
        return self.write(name, json.dumps(value, indent=2, allow_nan=False) + "\n")

    def write(self, name: str, text: str) -> str:
        """A file that holds this text."""
        path = self.make(str(Path(name).parent)) / Path(name).name
        path.write_text(text)
        path.chmod(READABLE)
        return name

    def add_instances(
        self, instances: Sequence[InputInstance], by_series: bool
    ) -> list[tuple[InputInstance, str]]:
        """Instances as ``instances/<number>.dcm``, or as ``instances/<number of series>/<number>.dcm``; their names.

        Numbers count from 1 in the order of UIDs, so that equal inputs have equal names everywhere.
        """
        ordered = sorted(instances, key=lambda each: (each.series_instance_uid, each.sop_instance_uid))
        series = {
            uid: number
            for number, uid in enumerate(sorted({each.series_instance_uid for each in instances}), 1)
        }
        self.make(INSTANCES)
        named = []
        for number, instance in enumerate(ordered, 1):
            folder = f"{INSTANCES}/{series[instance.series_instance_uid]:03}" if by_series else INSTANCES
            named.append((instance, self.add(instance.path, f"{folder}/{number:06}.dcm")))
        return named

    def add_needs(self, needs: Mapping[str, Needed]) -> dict[str, dict[str, list[str]]]:
        """What needed steps gave, as ``needs/<step>/<output>/<path>``; the names by step and output."""
        return {
            step: {
                output: [
                    self.add(path, f"{needs_folder(step, output)}/{needed.relative(path)}")
                    for path in sorted(paths)
                ]
                for output, paths in sorted(needed.files.items())
            }
            for step, needed in sorted(needs.items())
        }


def needs_folder(step: str, output: str) -> str:
    """Where a needed step's output lies; follows from names alone."""
    return f"needs/{step}/{output}"


def place(source: Path, target: Path) -> None:
    """Make ``target`` a file that any user can read and that holds what ``source`` holds."""
    real = os.path.realpath(source)  # link(2) would link a symbolic link itself
    if os.stat(real).st_mode & stat.S_IROTH:
        try:
            os.link(real, target)
            return
        except OSError:  # another disk, too many links, or the kernel's fs.protected_hardlinks
            pass
    shutil.copyfile(real, target)
    target.chmod(READABLE)
