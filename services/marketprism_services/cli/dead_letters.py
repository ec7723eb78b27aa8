"""`marketprism dead-letters`: commands that could not be done, rows that no table took; looked at, put in again."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from marketprism_application.storage.redriving import LetterKey
from marketprism_sdk.errors import SdkError, StreamError
from marketprism_sdk.messaging import DEAD_LETTERS, DeadLetter, dead_letters, redrive
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli.options import DataDir, NatsUrl, connected, err, nats_of, out, storage_leader
from marketprism_services.cli.words import count_of
from marketprism_services.platform.exits import Exit, Stop

_ROWS_S, _REDRIVE_S = 20.0, 300.0
_FOLDED = 16  # columns that a word has at least

letters = typer.Typer(help="Commands that could not be done, and rows that no table took.", no_args_is_help=True)
Letter = Annotated[
    str, typer.Argument(help="A letter as `list` shows it: a number, or STREAM:sequence.index of a row.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
Limit = Annotated[int, typer.Option(help="Most rows, newest first.", min=1, max=10_000)]


@letters.command("list")
def list_letters(
    as_json: AsJson = False, limit: Limit = 100, data_dir: DataDir = None, nats_url: NatsUrl = None
) -> None:
    """Commands and rows that were set aside, with the reason; the first column is what `redrive` takes."""

    async def look(connection: NatsConnection) -> tuple[list[dict[str, Any]], list[dict[str, Any]], str]:
        commands = [_command_of(seq, letter) for seq, letter in await _commands(connection)]
        try:
            return commands, await storage_leader(connection).call("dead_rows", {"limit": limit}, timeout_s=_ROWS_S), ""
        except SdkError as error:
            return commands, [], str(error)

    commands, rows, silent = connected(nats_of(data_dir, nats_url), look)
    if as_json:
        for entry in (*commands, *rows):
            print(json.dumps(entry))
    elif commands or rows:
        if commands:
            out.print(_table("commands", commands, "seq", ("command", "reason")))
        if rows:
            out.print(_table("rows", rows, "key", ("kind", "reason")))
        out.print("`marketprism dead-letters show <letter>` has everything of one", highlight=False, markup=False)
    elif not silent:
        out.print("no dead letters")
    if silent:
        err.print(f"rows are not known: {silent}", style="yellow", highlight=False, markup=False)


def _table(title: str, entries: list[dict[str, Any]], key: str, columns: tuple[str, ...]) -> Table:
    """The key is never cut: it has to be typed; what is long gives way."""
    shown = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    longest = {name: max(len(str(entry[name])) for entry in entries) for name in columns}
    shown.add_column("letter", no_wrap=True, min_width=max(len(str(entry[key])) for entry in entries))
    for name in columns:
        shown.add_column(name, overflow="fold", no_wrap=False, min_width=min(_FOLDED, longest[name]))
    for entry in entries:
        shown.add_row(*(_plain(str(entry[name])) for name in (key, *columns)))
    return shown


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text).replace("[", r"\[")


def _command_of(seq: int, letter: DeadLetter) -> dict[str, Any]:
    return {
        "seq": str(seq),
        "command": letter.subject,
        "issuer": letter.command.issuer if letter.command else "",
        "attempts": str(letter.attempts),
        "reason": letter.reason,
    }


async def _commands(connection: NatsConnection) -> list[tuple[int, DeadLetter]]:
    try:
        return await dead_letters(connection)
    except StreamError as error:
        if error.retryable:
            raise
        return []  # there is no queue before the first service that takes commands


@letters.command()
def show(letter: Letter, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Everything that is known of one letter, as JSON."""
    key = _key_of(letter)

    async def look(connection: NatsConnection) -> dict[str, Any] | None:
        if key is not None:
            asked = {"key": str(key), "limit": 1}
            found: list[dict[str, Any]] = await storage_leader(connection).call("dead_rows", asked, timeout_s=_ROWS_S)
            return found[0] if found else None
        for seq, of in await _commands(connection):
            if seq == int(letter):
                body = of.command.body if of.command else None
                return {**_command_of(seq, of), "ts_dead": of.ts_dead, "body": body, "payload": of.payload.hex()}
        return None

    found = connected(nats_of(data_dir, nats_url), look)
    if found is None:
        raise Stop(Exit.FAILED, f"letter: expected one that `dead-letters list` shows, was {letter!r}")
    print(json.dumps(found, indent=1, ensure_ascii=False, default=str))


def _key_of(letter: str) -> LetterKey | None:
    """The key of a row, None for the number of a command."""
    key = LetterKey.parse(letter)
    if key is None and not letter.isdecimal():
        raise Stop(Exit.USAGE, f"letter: expected a number or STREAM:sequence.index, was {letter!r}")
    return key


@letters.command("redrive")
def redrive_letter(
    letter: Annotated[
        str | None, typer.Argument(help="A number, or STREAM:sequence.index, as `list` shows it.")
    ] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Every row, instead of one letter.")] = False,
    limit: Limit = 10_000,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Put a command back on its queue, or rows into their tables; what is in leaves the list."""
    if (letter is None) != rows:
        raise Stop(Exit.USAGE, "dead-letters redrive: expected a letter, or --rows")
    key = _key_of(letter) if letter is not None else None
    nats = nats_of(data_dir, nats_url)
    if letter is not None and key is None:
        connected(nats, lambda connection: redrive(connection, int(letter)))
        out.print(f"letter {letter} is on its queue again ({DEAD_LETTERS} no longer has it)", highlight=False)
        return
    request = {"key": str(key), "limit": 1} if key is not None else {"limit": limit}
    done: dict[str, str] = connected(
        nats, lambda c: storage_leader(c).call("redrive_rows", request, timeout_s=_REDRIVE_S)
    )
    for row, wrong in done.items():
        if wrong:
            err.print(f"{row}: still refused: {wrong}", highlight=False, markup=False)
    refused = sum(bool(wrong) for wrong in done.values())
    if key is not None and not done:
        raise Stop(Exit.FAILED, f"letter: expected one that `dead-letters list` shows, was {letter!r}")
    rows_of = count_of(len(done), "row")
    out.print(f"{len(done) - refused} of {rows_of} in their tables", highlight=False)
    if refused:
        raise typer.Exit(Exit.FAILED)
