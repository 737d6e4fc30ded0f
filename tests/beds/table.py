"""Tables of the documentation, for tests that hold them."""

from __future__ import annotations

from pathlib import Path

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def rows_of_table(page: str) -> list[list[str]]:
    """The cells of a reference page's only table, without its head."""
    lines = (REFERENCE / page).read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]
