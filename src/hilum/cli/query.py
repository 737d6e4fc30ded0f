"""`hilum query`: SQL over the warehouse; a table, CSV, JSON lines or Parquet out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hilum.cli.main import Options
from hilum.cli.output import json_option, print_json, print_table
from hilum.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from hilum.warehouse.interface import Dialect, TableInfo

FORMATS = ["table", "csv", "jsonl", "parquet"]
ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet"}


@click.command()
@click.argument("sql", required=False)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="Else by the ending of --output; else table."
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of the screen."
)
@click.option(
    "--dialect",
    type=click.Choice(["bigquery", "duckdb"]),
    help="Else told by the SQL: bigquery where it has what only GoogleSQL has, such as backticks.",
)
@click.option("--dry-run", is_flag=True, help="Say what the query would read and cost on BigQuery, no more.")
@click.option("--tables", is_flag=True, help="List what can be queried; also without SQL.")
@json_option
@click.option(
    "--limit", type=int, default=200, show_default=True, help="Most rows shown in a terminal; 0 for all."
)
@click.pass_obj
def query(
    options: Options,
    sql: str | None,
    form: str | None,
    output: Path | None,
    dialect: Dialect | None,
    dry_run: bool,
    tables: bool,
    as_json: bool,
    limit: int,
) -> None:
    """Ask the warehouse in SQL, DuckDB's or BigQuery's. Read-only; it reaches nothing outside the home.

    SQL "-" reads standard input. JSON is a row a line. Piped, a table is tab-separated and has all rows.
    """
    with options.open() as home:
        if tables or not sql:
            _list_tables(home.warehouse.tables(), as_json)
            return
        form = form or ("jsonl" if as_json else None) or _by_ending(output)
        if form == "parquet" and output is None and sys.stdout.isatty():
            raise UsageError("Parquet is nothing for a terminal", hint="name a file with --output")
        if form == "table" and output is not None:
            raise UsageError("a table is for the screen", hint=f"end --output in {', '.join(ENDINGS)}")
        sql = sys.stdin.read() if sql == "-" else sql
        size = home.estimate(sql, dialect=dialect)
        if size is not None:
            most = home.settings.maximum_bytes_billed
            limit_told = f"; it may bill {most} at most" if most else ""
            click.echo(f"the query reads {_readable(size)}{limit_told}", err=True)
        elif dry_run:
            click.echo("the warehouse is in the home: queries cost nothing", err=True)
        if dry_run:
            return
        result = home.query(sql, dialect=dialect)
    if form == "table":
        _print(result, limit if sys.stdout.isatty() else 0)
    else:
        _write(result, form, output)


def _readable(size: int) -> str:
    """Bytes for people, as BigQuery counts them: 1 MiB is 2^20."""
    for unit, power in (("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << power:
            return f"{size / (1 << power):.1f} {unit}"
    return f"{size} bytes"


def _by_ending(output: Path | None) -> str:
    if output is None:
        return "table"
    if output.suffix not in ENDINGS:
        raise UsageError(
            f"the ending {output.suffix or 'of --output'} names no format",
            hint=f"end it in {', '.join(ENDINGS)}, or give --format",
        )
    return ENDINGS[output.suffix]


def _write(result: pa.Table, form: str, output: Path | None) -> None:
    from hilum.warehouse.output import WRITERS

    if output is None:
        WRITERS[form](result, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    try:
        with output.open("wb") as stream:
            WRITERS[form](result, stream)
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from None
    click.echo(f"{result.num_rows:,} rows written to {output}", err=True)


def _print(result: pa.Table, limit: int) -> None:
    shown = result.slice(0, limit) if limit else result
    print_table(shown.to_pylist(), columns=result.column_names)
    if result.num_rows > shown.num_rows:
        click.echo(f"... {result.num_rows - shown.num_rows:,} more rows: --limit, or --output", err=True)


def _list_tables(tables: list[TableInfo], as_json: bool) -> None:
    from hilum.model.codec import to_json

    if as_json:
        print_json([to_json(table) for table in tables])
    else:
        print_table(
            [{"table": t.name, "rows": t.rows, "bytes": t.size, "what": t.description} for t in tables]
        )
