"""`marketprism data import`: rows of files into the store of a running pipeline."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.imports.registry import open_rows
from marketprism_adapters.nats.history_log import NatsHistoryLog
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.contracts.kinds import BAR, KLINE
from marketprism_application.errors import ApplicationError, QueryError, SourceError
from marketprism_application.history.file_rows import rows_of
from marketprism_application.history.file_series import FileMeaning, FoundSeries, series_of_file
from marketprism_application.history.importing import Importer
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.integrity.rendering import plain_facts
from marketprism_application.ports.imports import FileHints
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli.clocks import Tz
from marketprism_services.cli.data_files import ENDINGS, as_stops, zone_name, zone_of
from marketprism_services.cli.data_import_view import ImportProgress, plain_import, show_found, show_result
from marketprism_services.cli.data_options import CheckOptions, check_options, columns_of, one_of
from marketprism_services.cli.data_view import show_mapping
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import (
    Config,
    DataDir,
    From,
    NatsUrl,
    To,
    connected,
    err,
    nats_of,
    settings_of,
    storage_leader,
)
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.wiring.pipeline_contents import REAL, SIMULATED, admit, held, refuse_other

_ANSWER_S = 60.0
_OF_BARS = (BAR.name, KLINE.name)


class _Wanted(NamedTuple):
    """Options of the command, beside the files."""

    hints: FileHints
    kind: str
    size: Decimal | None
    asked: CheckOptions
    tz: str | None


@dataclass
class _Batch:
    """Everything that the command was given."""

    found: list[FoundSeries] = field(default_factory=list)
    unread: list[tuple[Path, str]] = field(default_factory=list)


def import_files(
    paths: Annotated[list[Path], typer.Argument(help="Files of bars, trades, rates, or folders of them.")],
    symbol: Annotated[
        str, typer.Option(help="The instrument of a file that does not name it, or one of several in it: SHFE.cu1905.")
    ] = "",
    venue: Annotated[str, typer.Option(help="The exchange or the market, like shfe or binance-usdm.")] = "",
    interval: Annotated[str, typer.Option(help="Of the bars of a file; a file tells its own.")] = "",
    kind: Annotated[
        str, typer.Option(help="Whose bars they are: kline (the venue's own) or bar; a venue's archive tells it.")
    ] = "",
    columns: Annotated[
        list[str] | None, typer.Option("--map", help="field=column, where a file's columns have other names.")
    ] = None,
    contract_size: Annotated[
        str, typer.Option(help="What one contract is, where the amounts of a file are contracts.")
    ] = "",
    start: From = None,
    end: To = None,
    tz: Tz = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be stored, and store nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    replace_stored: Annotated[
        bool, typer.Option("--replace", help="Store a bar that differs from a stored one as its next revision.")
    ] = False,
    accept_defects: Annotated[
        bool, typer.Option("--accept-defects", help="Import a file although rows of it are wrong.")
    ] = False,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="The rows are simulated: a store of real ones does not take them.")
    ] = False,
    confirm: Annotated[bool, typer.Option(help="A range of more than ten years of minutes is meant.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Store the rows of files: each once, whatever is killed and however often it is run.

    A file is recognised and checked as by `data check`. A row that is there is left, one that differs from what is
    there is named and not stored, and a file with wrong rows is refused, unless options say otherwise. Exit 3: a row
    was not taken.
    """
    check_options(interval, BAR.name, "", venue)
    if kind and kind not in _OF_BARS:
        raise Stop(Exit.USAGE, one_of("--kind", kind, _OF_BARS))
    asked = CheckOptions(interval=interval, start=start, end=end, confirmed=confirm, tz=tz)
    hints = FileHints(venue, symbol, interval, zone_name(tz), columns_of(columns or []))
    calendar = chinese_calendar_of_markets(settings_of(config).calendar)
    with as_stops():
        batch = _looked_at(paths, _Wanted(hints, kind, _size_of(contract_size), asked, tz), calendar)
        if not as_json:
            for each in batch.found:
                if each.file.facts.guessed:
                    show_mapping(each.file.facts)
                show_found(each.name, each.report, each.target, zone_of(each.series.venue, tz))
        if not accept_defects:
            for each in batch.found:
                each.refuse_faults()
        chosen = [each for each in batch.found if not each.refused]
        if chosen and not dry_run:
            _confirm(chosen, yes=yes)
        if chosen:
            data = SIMULATED if simulated else REAL
            work = partial(_import_all, chosen, calendar, asked, tz, data=data, replaces=replace_stored, dry=dry_run)
            connected(nats_of(data_dir, nats_url), work)
    _show(batch, as_json=as_json, dry_run=dry_run, tz=tz)
    _exit_of(batch)


def _looked_at(paths: list[Path], wanted: _Wanted, calendar: MarketCalendar) -> _Batch:
    """Every series of every file, checked; files that cannot be read are named."""
    batch = _Batch()
    for path, alone in _files(paths):
        try:
            file = open_rows(path, wanted.hints)
            meant = FileMeaning(
                wanted.hints, lambda series: wanted.asked.of(zone_of(series.venue, wanted.tz)), wanted.kind, wanted.size
            )
            batch.found += series_of_file(str(path), file, meant, calendar)
        except ApplicationError as error:
            if alone and len(paths) == 1:
                raise
            batch.unread.append((path, str(error)))
    if not batch.found and not batch.unread:
        raise Stop(Exit.INPUT, f"file {paths[0]}: expected files of rows in the folder, there are none")
    return batch


def _files(paths: list[Path]) -> Iterator[tuple[Path, bool]]:
    """The files, those of folders by name; and whether a file was named by itself."""
    for path in paths:
        if path.is_dir():
            names = sorted(each for each in path.rglob("*") if each.is_file() and each.suffix.lower() in ENDINGS)
            yield from ((each, False) for each in names)
        elif path.is_file():
            yield path, True
        else:
            raise Stop(Exit.INPUT, f"file {path}: expected a file, was none")


def _size_of(text: str) -> Decimal | None:
    try:
        size = Decimal(text) if text else None
    except InvalidOperation:
        size = Decimal(0)
    if size is not None and (not size.is_finite() or size <= 0):
        raise Stop(Exit.USAGE, f"--contract-size: expected a number above zero, was {text!r}")
    return size


def _confirm(chosen: list[FoundSeries], *, yes: bool) -> None:
    """A mapping that was guessed has to be confirmed, by an option where nobody can be asked."""
    guessed = [each for each in chosen if each.file.facts.guessed]
    if yes or not guessed:
        return
    if not sys.stdin.isatty():
        raise Stop(Exit.USAGE, f"--yes: expected it, for the columns of {guessed[0].name} were guessed by their names")
    if not typer.confirm(spoken().translate("store these rows?")):
        raise Stop(Exit.INTERRUPTED, "data import: nothing was stored")


async def _import_all(
    chosen: list[FoundSeries],
    calendar: MarketCalendar,
    options: CheckOptions,
    tz: str | None,
    connection: NatsConnection,
    *,
    data: str,
    replaces: bool,
    dry: bool,
) -> None:
    refuse_other(await held(connection), data, "data import", connection)
    leader = storage_leader(connection)
    reader = RemoteReader(partial(leader.call_raw, "arrow", timeout_s=_ANSWER_S, idempotent=True))
    with ImportProgress() as progress:
        for each in chosen:
            log = None if dry else NatsHistoryLog(connection, partial(admit, connection, data, each.name))
            asked: CheckAsked = options.of(zone_of(each.series.venue, tz))
            parts = rows_of(each.file, each.series, each.target, calendar, replace(asked, confirmed=True))
            importer = Importer(reader, log, partial(progress.show, Path(each.name).name))
            can_replace = replaces and each.target.what.has_revisions
            try:
                each.result = await importer.run(each.target.key, parts, replace=can_replace)
            except (SourceError, QueryError) as error:
                each.refused = f"{each.name}: {error}"


def _show(batch: _Batch, *, as_json: bool, dry_run: bool, tz: str | None) -> None:
    if as_json:
        files = [
            plain_import(each.name, plain_facts(each.file.facts), each.report, each.target, each.result)
            | ({"refused": each.refused} if each.refused else {})
            for each in batch.found
        ]
        unread = [{"path": str(path), "error": text} for path, text in batch.unread]
        print(json.dumps({"dry_run": dry_run, "files": files, "unread": unread}, indent=1, ensure_ascii=False))
        return
    for each in batch.found:
        if each.refused:
            err.print(each.refused, style="red", highlight=False, markup=False, soft_wrap=True)
        elif each.result is not None:
            show_result(Path(each.name).name, each.target, each.result, zone_of(each.series.venue, tz), dry=dry_run)
    for _, text in batch.unread:
        err.print(text, style="red", highlight=False, markup=False, soft_wrap=True)


def _exit_of(batch: _Batch) -> None:
    results = [each.result for each in batch.found if each.result is not None]
    if any(result.missing for result in results):
        raise typer.Exit(Exit.FAILED)
    if batch.unread or any(each.refused for each in batch.found):
        raise typer.Exit(Exit.INPUT)
    if any(result.left_out or result.conflicts for result in results):
        raise typer.Exit(Exit.INPUT)


__all__ = ["import_files"]
