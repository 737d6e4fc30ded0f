"""`hilum quarantine`: what was refused, why, and what is to become of it."""

from __future__ import annotations

from typing import Any

import click

from hilum.cli.main import Options
from hilum.cli.output import json_option, print_json, print_table
from hilum.cli.table import text
from hilum.errors import UsageError
from hilum.kernel.address import shown
from hilum.model.arrival import Quarantined


@click.group()
def quarantine() -> None:
    """What was refused: list, show, release."""


@quarantine.command("list")
@click.option("--all", "released", is_flag=True, help="Also what was released.")
@click.option("--reason", help="Only entries with this reason code.")
@json_option
@click.pass_obj
def list_entries(options: Options, released: bool, reason: str | None, as_json: bool) -> None:
    """What waits for a decision."""
    with options.open() as home:
        entries = [each for each in home.quarantine(released=released) if reason in (None, each.reason)]
    if as_json:
        print_json([_plain(entry) for entry in entries])
    elif entries:
        rows = [
            {
                "id": entry.id,
                "reason": entry.reason,
                "size": entry.size,
                "since": entry.quarantined_at,
                "decision": entry.decision,
                "file": shown(entry.uri),
            }
            for entry in entries
        ]
        print_table(rows, ("id", "reason", "size", "since", *(["decision"] if released else []), "file"))
    else:
        click.echo("the quarantine is empty" + (f" of {reason}" if reason else ""))


@quarantine.command("show")
@click.argument("entry")
@json_option
@click.pass_obj
def show_entry(options: Options, entry: str, as_json: bool) -> None:
    """One ENTRY whole."""
    with options.open() as home:
        entries = home.quarantine(released=True)
    found = next((each for each in entries if each.id == entry), None)
    if found is None:
        raise UsageError(
            f"nothing is in the quarantine under {entry!r}", hint="see `hilum quarantine list --all`"
        )
    if as_json:
        print_json(_plain(found))
        return
    for name, value in _plain(found).items():
        if value not in ("", None):
            click.echo(f"{name:<18}{text(value)}")
    if found.reason == "conflicting-content" and not found.decision:
        click.echo(f"\n`hilum quarantine release {entry} --keep old` or `--keep new` settles it")


@quarantine.command()
@click.argument("entries", nargs=-1, required=True)
@click.option("--keep", type=click.Choice(["old", "new"]), help="For a conflict: which content counts.")
@json_option
@click.pass_obj
def release(options: Options, entries: tuple[str, ...], keep: str | None, as_json: bool) -> None:
    """Settle ENTRIES. A conflict needs --keep; anything else is read afresh by the next run over its place."""
    with options.open() as home:
        done = [home.release(entry, keep or "") for entry in entries]
    if as_json:
        print_json([_plain(entry) for entry in done])
        return
    follow = {
        "again": "the next run over its folder reads it afresh",
        "new": "the new content counts; the next run makes a new revision",
        "old": "the old content counts, as before",
    }
    for entry in done:
        told = (
            "the row goes to the warehouse again" if entry.reason == "row-refused" else follow[entry.decision]
        )
        click.echo(f"{entry.id} released: {told}")


def _plain(entry: Quarantined) -> dict[str, Any]:
    from hilum.model.codec import to_json

    plain: dict[str, Any] = to_json(entry)
    return plain
