"""`hilum quarantine`: what was refused, why, and what is to become of it."""

from __future__ import annotations

from typing import Any

import click

from hilum.cli.main import Options
from hilum.cli.output import json_option, print_json, print_table
from hilum.errors import UsageError
from hilum.model.arrival import Quarantined


@click.group()
def quarantine() -> None:
    """What was refused: list, show, release."""


@quarantine.command("list")
@click.option("--all", "released", is_flag=True, help="Also what was released.")
@json_option
@click.pass_obj
def list_entries(options: Options, released: bool, as_json: bool) -> None:
    """What waits for a decision."""
    with options.open() as home:
        entries = home.quarantine(released=released)
    if as_json:
        print_json([_plain(entry) for entry in entries])
    elif entries:
        rows = [
            {
                "id": e.id,
                "reason": e.reason,
                "size": e.size,
                "since": e.quarantined_at,
                "decision": e.decision,
                "uri": e.uri,
            }
            for e in entries
        ]
        print_table(
            rows, columns=("id", "reason", "size", "since", *(["decision"] if released else []), "uri")
        )
    else:
        click.echo("the quarantine is empty")


@quarantine.command()
@click.argument("entry")
@json_option
@click.pass_obj
def show(options: Options, entry: str, as_json: bool) -> None:
    """One ENTRY whole."""
    with options.open() as home:
        found = [each for each in home.quarantine(released=True) if each.id == entry]
    if not found:
        raise UsageError(f"nothing is in the quarantine under {entry}", hint="see `hilum quarantine list`")
    if as_json:
        print_json(_plain(found[0]))
        return
    for name, value in _plain(found[0]).items():
        if value not in ("", None):
            click.echo(f"{name:<18} {value}")


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
    for entry in done:
        follow = (
            "run again over its folder"
            if entry.decision == "again"
            else f"the {entry.decision} content counts"
        )
        click.echo(f"{entry.id} released: {follow}")


def _plain(entry: Quarantined) -> dict[str, Any]:
    from hilum.model.codec import to_json

    plain: dict[str, Any] = to_json(entry)
    return plain
