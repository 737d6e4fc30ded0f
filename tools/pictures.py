"""Draws the pictures of the README: real output on the project's own phantom, so there is no patient in them.

``python tools/pictures.py`` writes docs/images: the montage of the preview step, and a terminal in which Hilum runs.
Look at them before they are committed; no test compares pictures.
"""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
COLUMNS, ROWS = 108, 60
COMMANDS = (
    "hilum run scans",
    'hilum query "SELECT PatientID, Modality, name, value, unit FROM measurements JOIN series '
    "USING (SeriesInstanceUID) WHERE name IN ('slices_missing', 'median') ORDER BY ALL\"",
    'hilum lineage "$(ls -LS .hilum/results/*/CT-*/default/nifti/volume.nii.gz | head -1)"',
)
FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix" xml:space="preserve">{matrix}</g></g>
</svg>
"""


def main() -> None:
    """Run the commands in a home of their own and draw what came out."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "demo"
        folder.mkdir()
        subprocess.run([sys.executable, "-m", "hilum.dicom.phantom", "scans"], cwd=folder, check=True)
        said = "".join(
            f"\x1b[1;32m$\x1b[0m {command}\r\n{in_terminal(command, folder)}\r\n" for command in COMMANDS
        )
        (IMAGES / "terminal.svg").write_text(drawn(said))
        montages = (folder / ".hilum/results").glob("*/CT-*/default/preview/montage.png")
        largest = max(montages, key=lambda path: path.stat().st_size)
        shutil.copyfile(largest, IMAGES / "montage.png")


def in_terminal(command: str, folder: Path) -> str:
    """What a command writes to a terminal, without progress bars; its folder is called /data, as nobody's is."""
    ours, theirs = pty.openpty()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HILUM_")}
    size = {"COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    environment = {**kept, **size, "PATH": path, "TERM": "xterm-256color"}
    with subprocess.Popen(
        ["bash", "-c", command], cwd=folder, env=environment, stdout=theirs, stderr=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        said = b""
        while chunk := _read(ours):
            said += chunk
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return said.decode().replace(str(folder), "/data")


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def drawn(said: str) -> str:
    """A terminal's text with its colours as SVG that loads nothing from elsewhere."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(said.replace("\r\n", "\n")))
    return console.export_svg(title="hilum", code_format=FORMAT, unique_id="hilum")


if __name__ == "__main__":
    main()
