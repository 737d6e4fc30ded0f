"""checkov's policies for Google Cloud, from a venv of its own at pinned versions. It reads files and nothing else:
neither a project, nor the provider, nor an address on the network.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from beds.cache import made_once, uv

PINS = Path(__file__).with_name("checkov.txt")


@dataclass(frozen=True)
class Verdicts:
    """What checkov says of a folder: checks that passed, what failed, and what was excused with which reason."""

    passed: int
    failed: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]


class Checkov:
    """The program."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def __call__(self, folder: Path) -> Verdicts:
        """What it says of the configuration below a folder."""
        command = [self._program, "--directory", folder, "--framework", "terraform", "--compact"]
        done = subprocess.run(
            [*command, "--skip-download", "--output", "json"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "BC_SKIP_MAPPING": "TRUE", "LOG_LEVEL": "ERROR"},
        )
        assert done.returncode in (0, 1), done.stderr[-2000:]
        results = json.loads(done.stdout)["results"]
        assert not results["parsing_errors"], results["parsing_errors"]
        return Verdicts(
            len(results["passed_checks"]),
            tuple(f"{each['resource']}: {each['check_name']}" for each in results["failed_checks"]),
            tuple(
                (each["check_id"], each["check_result"].get("suppress_comment") or "")
                for each in results["skipped_checks"]
            ),
        )


@cache
def installed() -> Checkov:
    """checkov, installed if it was not."""

    def make(place: Path) -> None:
        uv("venv", "--quiet", place / "venv")
        python = place / "venv" / "bin" / "python"
        uv("pip", "install", "--quiet", "--no-deps", "--python", python, "--requirement", PINS)

    version = next(
        line.partition("==")[2] for line in PINS.read_text().splitlines() if line.startswith("checkov==")
    )
    return Checkov(made_once(f"checkov-{version}", make) / "venv" / "bin" / "checkov")
