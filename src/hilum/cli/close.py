"""`hilum close`: no more is to come of a series or study, whatever the headers or the clock say."""

from __future__ import annotations

import click

from hilum.cli.main import Options
from hilum.cli.output import counted, json_option, print_json


@click.command()
@click.argument("subjects", nargs=-1)
@json_option
@click.pass_obj
def close(options: Options, subjects: tuple[str, ...], as_json: bool) -> None:
    """Say that SUBJECTS are complete (Series or Study Instance UIDs, or ids; by default all that are open).

    A serving engine processes them at its next turn. What arrives later makes a new revision.
    """
    with options.open() as home:
        closed = home.close_subjects(subjects)
    if as_json:
        print_json(closed)
    else:
        click.echo(f"{counted(len(closed), 'subject')} closed")
