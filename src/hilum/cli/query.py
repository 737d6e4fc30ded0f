"""`hilum query`: SQL over the warehouse; a table, CSV, JSON lines or Parquet out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hilum.cli.main import Options
from hilum.cli.output import print_table

if TYPE_CHECKING:
    import pyarrow as pa

    from hilum.warehouse.interface import TableInfo

FORMATS = ["table", "csv", "jsonl", "parquet"]


@click.command()
@click.argument("sql", required=False)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="Else by the ending of --output, else a table."
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of the screen."
)
@click.option("--tables", is_flag=True, help="List what can be queried.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines; the same as --format jsonl.")
@click.option(
    "--limit", type=int, default=1000, show_default=True, help="Most rows of a table on the screen."
)
@click.pass_obj
def query(
    options: Options,
    sql: str | None,
    form: str | None,
    output: Path | None,
    tables: bool,
    as_json: bool,
    limit: int,
) -> None:
    """Ask the warehouse in SQL (DuckDB's). Read-only; it reaches nothing outside the home.

    SQL '-' reads standard input.
    """
    from hilum.warehouse.output import write_csv, write_json_lines, write_parquet

    with options.open() as home:
        if tables or not sql:
            _list_tables(home.warehouse.tables(), as_json)
            return
        result = home.query(sys.stdin.read() if sql == "-" else sql)
    form = form or ("jsonl" if as_json else None) or _by_ending(output)
    if form == "table" and output is None:
        _print(result, limit)
        return
    writers = {"csv": write_csv, "jsonl": write_json_lines, "parquet": write_parquet, "table": write_csv}
    if output is None:
        writers[form](result, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    else:
        with output.open("wb") as stream:
            writers[form](result, stream)
        click.echo(f"{result.num_rows:,} rows written to {output}", err=True)


def _by_ending(output: Path | None) -> str:
    endings = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
    return endings.get(output.suffix, "csv") if output else "table"


def _print(result: pa.Table, limit: int) -> None:
    print_table(result.slice(0, limit).to_pylist(), columns=result.column_names)
    if result.num_rows > limit:
        click.echo(f"... {result.num_rows - limit:,} more rows (--limit)", err=True)


def _list_tables(tables: list[TableInfo], as_json: bool) -> None:
    from hilum.cli.output import print_json
    from hilum.model.codec import to_json

    rows = [to_json(table) for table in tables]
    if as_json:
        print_json(rows)
    else:
        print_table(rows)
