"""What ``hilum step new`` starts an author with: a folder of files for each contract, and those that all share. A
file's ``__NAME__`` becomes the name that was asked for.
"""

from __future__ import annotations

import re
from pathlib import Path

from hilum.errors import UsageError

FOLDER = Path(__file__).parent
EVERY = FOLDER / "every"
SUFFIX = ".template"
NAME = re.compile(r"(?=.{1,63}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
CHECKS = {
    "native": '[each["name"] for each in tried["measurements"]] == ["pixels", "mean"]',
    "mercure": '[each["name"] for each in tried["measurements"]] == ["pixels", "mean"]',
    "command": '[each["path"] for each in tried["files"]] == ["pixels.csv"]',
    "map": '[each["path"] for each in tried["files"]] == ["result.json"]',
    "bids-app": 'any(each["path"].endswith("_desc-summary.json") for each in tried["files"])',
}
"""What a new step's own test asks of what it gave."""


def write_step(name: str, contract: str, folder: Path) -> list[Path]:
    """Write a new step's files into ``folder``, which must not be there or be empty; their paths.

    Raises:
        UsageError: ``bad-step-name``, ``folder-taken``.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a step",
            reason="bad-step-name",
            hint="use lower-case letters and digits, with hyphens between",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"there is something at {folder} already", reason="folder-taken")
    templates = {
        path.name: path for source in (EVERY, FOLDER / contract) for path in source.glob(f"*{SUFFIX}")
    }
    folder.mkdir(parents=True, exist_ok=True)
    words = {"__NAME__": name, "__STEP__": name.replace("-", "_"), "__CHECK__": CHECKS[contract]}
    written = []
    for file_name, template in sorted(templates.items()):
        text = template.read_text()
        for word, meant in words.items():
            text = text.replace(word, meant)
        path = folder / file_name.removesuffix(SUFFIX)
        path.write_text(text)
        written.append(path)
    return written
