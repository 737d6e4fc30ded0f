"""`hilum doctor`: what is wrong with a home, or with its project on Google Cloud, and how to mend it."""

from __future__ import annotations

import click

from hilum.cli.main import Options
from hilum.cli.output import coloured, faint, json_option, print_json


@click.command()
@click.option("--deep", is_flag=True, help="Also hash every artifact and every instance's file.")
@click.option("--mend", is_flag=True, help="Do what can be mended safely, then look again.")
@click.option("--google", is_flag=True, help="Examine the project on Google Cloud instead; changes nothing.")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@json_option
@click.pass_obj
def doctor(
    options: Options, deep: bool, mend: bool, google: bool, addresses: tuple[str, ...], as_json: bool
) -> None:
    """What is wrong with a home, and how to mend it. Exit code 1 where something is.

    With --google, ADDRESS is what the engine takes in: pubsub://PROJECT/SUBSCRIPTION, gs://BUCKET. Store, warehouse
    and dead letters are those of the settings.
    """
    if addresses and not google:
        raise click.UsageError("addresses are examined with --google")
    if google and (deep or mend):
        raise click.UsageError("--deep and --mend are for homes, not for --google")
    with options.open() as home:
        mended = home.mend() if mend else []
        findings = list(home.doctor_google(*addresses) if google else home.doctor(deep=deep))
    if as_json:
        print_json(
            [{"check": f.check, "health": f.health, "message": f.message, "mend": f.mend} for f in findings]
        )
    else:
        for line in mended:
            click.echo(f"mended: {line}")
        for found in findings:
            space = " " * (8 - len(found.health.value))
            click.echo(f"{coloured(found.health.value)}{space} {found.check:<12} {found.message}")
            if found.mend:
                click.echo(f"{'':<22}{faint('mend:')} {found.mend}")
    raise click.exceptions.Exit(1 if any(found.health.value == "error" for found in findings) else 0)
