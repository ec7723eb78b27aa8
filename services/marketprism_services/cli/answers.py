"""What a read command does with its answer: a table in the terminal, or another form of it, printed or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from marketprism_application.queries.export import FORMATS, render
from marketprism_services.cli.clocks import Zone, zone_of_venues
from marketprism_services.cli.options import ROWS_SHOWN, err, out
from marketprism_services.cli.pictures import PICTURES
from marketprism_services.cli.tables import Look, show_table, with_names
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.settings.extras import install_command, is_there

if TYPE_CHECKING:
    from marketprism_application.contracts.plain_table import Table

Form = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="table, csv, json, arrow, parquet or msgpack. Without: what the ending of --output says, or table.",
    ),
]
Output = Annotated[Path | None, typer.Option("--output", help="Write to a file; its ending chooses the format.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
_TABLE = "table"
_ARROWS = ("arrow", "parquet")  # forms that Arrow makes
_ENDINGS = {f".{form}": form for form in FORMATS}


class Wanted(NamedTuple):
    """The form of an answer, and the file that gets it; without one it is printed."""

    form: str
    output: Path | None

    @property
    def table(self) -> bool:
        """Whether a person reads it in the terminal."""
        return self.form == _TABLE


def wanted(form: str | None, output: Path | None, *, as_json: bool = False) -> Wanted:
    """What `--format`, `--json` and `--output` together mean.

    Raises:
        Stop: exit code 2, they contradict one another, or nothing says which form a file has.
    """
    if as_json and form not in (None, "json"):
        raise Stop(Exit.USAGE, f"--json: expected no other --format with it, was {form}")
    chosen = "json" if as_json else form
    if chosen is not None and chosen not in (_TABLE, *FORMATS):
        raise Stop(Exit.USAGE, f"--format: expected one of table, {', '.join(FORMATS)}, was {chosen!r}")
    _check_arrow(chosen or (_ENDINGS.get(output.suffix.lower(), "") if output is not None else ""))
    if output is None:
        return Wanted(chosen or _TABLE, None)
    if chosen == _TABLE:
        raise Stop(Exit.USAGE, f"--output: expected a --format of {', '.join(FORMATS)} with it, was table")
    if chosen is None and output.suffix.lower() in PICTURES:
        raise Stop(Exit.USAGE, f"--output {output}: expected --plot with a picture, which only bars have")
    if chosen is None and output.suffix.lower() not in _ENDINGS:
        endings = ", ".join(_ENDINGS)
        raise Stop(Exit.USAGE, f"--output {output}: expected a name that ends in {endings}, or --format")
    return Wanted(chosen or _ENDINGS[output.suffix.lower()], output)


def _check_arrow(form: str) -> None:
    if form in _ARROWS and not is_there("pyarrow"):
        text = f"--format: expected the package pyarrow for {form}, found none: {install_command('pyarrow')}"
        raise Stop(Exit.USAGE, text)


def emit(data: bytes, output: Path | None) -> None:
    """Bytes to a file, or to standard output as they are.

    Raises:
        Stop: exit code 2, the file cannot be written.
    """
    if output is None:
        typer.get_binary_stream("stdout").write(data)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise Stop(Exit.USAGE, f"--output {output}: expected a writable file: {error.strerror}") from error
    err.print(f"wrote {output}", highlight=False, markup=False, soft_wrap=True)


class Shown(NamedTuple):
    """How an answer is shown: its columns, its title, what is said where it is empty, and whether that is a failure.

    `drop` are the columns that go first where the terminal is narrow.
    """

    columns: tuple[str, ...]
    title: str
    empty: str
    drop: tuple[str, ...] = ()
    may_be_empty: bool = False


def show(data: Table, form: Wanted, shown: Shown, tz: str | None = None) -> None:
    """Print or write an answer. Of an empty one it is said; beside other forms than a table on standard error.

    Raises:
        Exit: code 1, it is empty and should not be.
    """
    if form.table and data.num_rows:
        zone = zone_of(data, tz)
        title = f"{shown.title}, {zone.name}" if any(name.startswith("ts_") for name in shown.columns) else shown.title
        if data.num_rows > ROWS_SHOWN:
            title = f"{title}, newest {ROWS_SHOWN} of {data.num_rows}"
        show_table(out, data, with_names(data, shown.columns), Look(title, zone, ROWS_SHOWN, shown.drop))
    elif not form.table:
        emit(render(data, form.form, with_names(data, shown.columns)), form.output)
    if not data.num_rows:
        console = out if form.table else err
        console.print(shown.empty, highlight=False, markup=False, soft_wrap=True)
        if not shown.may_be_empty:
            raise typer.Exit(Exit.FAILED)


def zone_of(data: Table, tz: str | None) -> Zone:
    """The zone of the times in an answer. Raises Stop, exit code 2: there is none of that name."""
    venues = data.column("venue").to_pylist() if "venue" in data.column_names else []
    return zone_of_venues(set(map(str, venues)), tz)
