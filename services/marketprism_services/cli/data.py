"""`marketprism data`: what must be there of a series, and what is."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.imports.registry import FORMATS, open_rows
from marketprism_application.contracts.kinds import BAR, KINDS
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.contracts.overview_questions import Coverage
from marketprism_application.contracts.questions import Question, Records
from marketprism_application.errors import SourceError
from marketprism_application.integrity.file_check import check_file
from marketprism_application.integrity.rendering import plain_facts, plain_report
from marketprism_application.integrity.stored_check import WITNESSES, StoredCheck, StoredSeries
from marketprism_application.ports.imports import FileHints, FileSeries, RowsFile
from marketprism_application.queries.symbol_names import NameIndex, StoredName
from marketprism_client import MarketClient
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_domain.instruments.names import base_of, product_of
from marketprism_domain.integrity.report import DayCoverage, IntegrityReport
from marketprism_domain.sessions.exchange_hours import EXCHANGES
from marketprism_services.cli.answers import emit
from marketprism_services.cli.clocks import Tz, zone_of_symbol
from marketprism_services.cli.data_download import download
from marketprism_services.cli.data_export import export_files
from marketprism_services.cli.data_files import ENDINGS, as_stops, stored_name, zone_name, zone_of
from marketprism_services.cli.data_import import import_files
from marketprism_services.cli.data_jobs import cancel, jobs
from marketprism_services.cli.data_options import CheckOptions, check_job_options, check_options, columns_of, one_of
from marketprism_services.cli.data_pages import written
from marketprism_services.cli.data_recordings import bars_of_recordings
from marketprism_services.cli.data_repairs import recheck, repair, verdicts
from marketprism_services.cli.data_stored import check_as_job, revisions, universe
from marketprism_services.cli.data_veighna import recorder, recordings
from marketprism_services.cli.data_view import show_calendar, show_formats, show_mapping, show_report
from marketprism_services.cli.options import Config, DataDir, From, NatsUrl, To, ask, nats_of, settings_of
from marketprism_services.platform.exits import Exit, Stop

data = typer.Typer(help="Series and files: checks, repairs, downloads, imports, exports, jobs.")
data.command("download")(download)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Target = Annotated[str, typer.Argument(help="A stored instrument, like ru1901, or a file of bars or trades.")]
Symbol = Annotated[
    str, typer.Option(help="The instrument of a file that does not name it, or one of several in it: SHFE.cu1905.")
]
Venue = Annotated[str, typer.Option(help="The exchange or the market, like shfe or binance-usdm.")]


@data.command("check")
def check(
    target: Target,
    interval: Annotated[str, typer.Option(help="Of the bars: 1m 5m 1h 1d 1w …; a file tells its own.")] = "",
    start: From = None,
    end: To = None,
    kind: Annotated[
        str, typer.Option(help="Of a stored series: bar, kline (the venue's own bars) or trade.")
    ] = BAR.name,
    symbol: Symbol = "",
    venue: Venue = "",
    dense: Annotated[
        bool | None,
        typer.Option("--dense/--sparse", help="Whether a minute without a trade has a bar all the same."),
    ] = None,
    alignment: Annotated[
        str,
        typer.Option(
            help="How bars of several minutes are counted: session, clock, or wall (over breaks); a file tells its own."
        ),
    ] = "",
    witness: Annotated[
        list[str] | None,
        typer.Option(
            help="What to hold it against: a file, or of a stored series daily, kline, trade, ticks, product."
        ),
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--map", help="field=column, where a file's columns have other names.")
    ] = None,
    price_tick: Annotated[str, typer.Option(help="Step of the price, where the terms are not known.")] = "",
    quantity_step: Annotated[str, typer.Option(help="Step of the volume, where the terms are not known.")] = "",
    listed: Annotated[str, typer.Option(help="First trading day of the instrument.")] = "",
    expires: Annotated[str, typer.Option(help="Last trading day of the instrument.")] = "",
    halt: Annotated[
        list[str] | None, typer.Option(help="A time without trading, begin and end with / between.")
    ] = None,
    confirm: Annotated[bool, typer.Option(help="A range of more than ten years of minutes is meant.")] = False,
    as_job: Annotated[
        bool, typer.Option("--job", help="As a job of the data service, whose defects can be judged and repaired.")
    ] = False,
    as_json: AsJson = False,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the defects, a line each.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as a page for a browser.")] = None,
    md: Annotated[Path | None, typer.Option("--md", help="Write the report as Markdown.")] = None,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Check a stored series or a file: what is missing, doubled, impossible, or differs from another source.

    Exit 0 where nothing is wrong, 3 where something is. Nothing is changed. A check that cannot run says why.
    """
    path = _file_of(target)
    check_options(interval, kind, alignment, venue)
    asked = CheckOptions(
        interval=interval,
        start=start,
        end=end,
        dense=dense,
        alignment=alignment,
        terms=(price_tick, quantity_step),
        days=(listed, expires),
        halts=tuple(halt or ()),
        confirmed=confirm,
        tz=tz,
    )
    if as_job:
        of_here: dict[str, object] = {
            "--map": columns,
            "--price-tick": price_tick,
            "--quantity-step": quantity_step,
            "--listed": listed,
        }
        of_here |= {"--expires": expires, "--halt": halt, "--csv": csv_file, "--html": html, "--md": md}
        check_job_options(path, {name for name, value in of_here.items() if value})
        zone = zone_of_symbol(symbol or target, tz)
        found = check_as_job(
            symbol or target, venue, kind, asked, witness or (), zone, data_dir, nats_url, as_json=as_json
        )
        raise typer.Exit(Exit.OK if found.is_clean else Exit.INPUT)
    calendar = chinese_calendar_of_markets(settings_of(config).calendar)
    file: RowsFile | None = None
    with as_stops():
        if path is not None:
            hints = FileHints(venue, symbol, interval, "", columns_of(columns or []))
            file, series = _opened(path, hints, tz, config)
            if file.facts.guessed and not as_json:
                show_mapping(file.facts)
            witnesses = [_opened(Path(each), FileHints(venue, symbol or series.symbol), tz) for each in witness or []]
            report = check_file(file, series, calendar, asked.of(zone_of(series.venue, tz)), witnesses)
        else:
            wrong = sorted(set(witness or []) - set(WITNESSES))
            if wrong:
                raise Stop(Exit.USAGE, one_of("--witness", wrong[0], WITNESSES))
            zone = zone_of_symbol(symbol or target, tz)

            async def stored(market: MarketClient) -> IntegrityReport:
                of = Records(kind, symbol or target, interval=(interval or "1m") if KINDS[kind].has_interval else None)
                name = await stored_name(market, symbol or target, venue, [of])
                wanted = StoredSeries(
                    kind, name.venue, name.symbol, (interval or "1m") if KINDS[kind].has_interval else ""
                )
                return await StoredCheck(_asking(market), wanted, calendar, asked.of(zone), witness or ()).report()

            report = ask(nats_of(data_dir, nats_url), stored)
    zone = zone_of(report.dataset.venue, tz)
    for form, output in (("csv", csv_file), ("html", html), ("md", md)):
        if output is not None:
            emit(written(report, form, zone), output)
    if as_json:
        of_file = {} if file is None else {"file": {"path": target, **plain_facts(file.facts)}}
        print(json.dumps({**plain_report(report), **of_file}, indent=1, ensure_ascii=False))
    else:
        show_report(report, zone)
    if not report.is_clean:
        raise typer.Exit(Exit.INPUT)


@data.command("coverage")
def coverage(
    target: Target,
    interval: Annotated[str, typer.Option(help="Of the bars of a file; a file tells its own.")] = "",
    start: From = None,
    end: To = None,
    symbol: Symbol = "",
    venue: Venue = "",
    as_json: AsJson = False,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """How much of each trading day is there: a sign a day, a line a month."""
    path = _file_of(target)
    check_options(interval, BAR.name, "", venue)
    with as_stops():
        if path is not None:
            calendar = chinese_calendar_of_markets(settings_of(config).calendar)
            file, series = _opened(path, FileHints(venue, symbol, interval), tz, config)
            asked = CheckOptions(interval=interval, start=start, end=end, tz=tz)
            report = check_file(file, series, calendar, asked.of(zone_of(series.venue, tz)))
            found = {f"{report.dataset.venue}.{report.dataset.symbol} {report.dataset.interval}": report.coverage}
        else:
            ts_from, ts_to = zone_of_symbol(target, tz).range(start, end)
            question = Coverage(symbol or target, venue or None, ts_from=ts_from, ts_to=ts_to, days=250)
            found = _days_by_name(ask(nats_of(data_dir, nats_url), lambda market: market.ask(question)))
    if as_json:
        plain = {name: [{**day._asdict(), "state": day.state} for day in days] for name, days in found.items()}
        print(json.dumps(plain, indent=1))
    else:
        show_calendar(found)
    if not any(found.values()):
        raise typer.Exit(Exit.FAILED)


@data.command("formats")
def formats(as_json: AsJson = False) -> None:
    """Files that can be read, and how each is recognised: by content, whatever the file is called."""
    if as_json:
        rows = [
            {"format": each.name, "kinds": each.kinds, "files": each.containers, "note": each.note} for each in FORMATS
        ]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        show_formats(FORMATS)


def _file_of(target: str) -> Path | None:
    """The file that a target names; None for the name of an instrument.

    Raises:
        Stop: it looks like a file's, and there is none.
    """
    path = Path(target)
    if path.exists():
        return path
    if "/" in target or path.suffix.lower() in ENDINGS:
        raise Stop(Exit.INPUT, f"file {target}: expected a file, was none")
    return None


def _file(path: Path, hints: FileHints, tz: str | None, config: Path | None) -> RowsFile:
    """A file of rows, or the bars that a recording of ticks makes."""
    try:
        if path.is_dir():
            raise SourceError(f"file {path}: expected a file, was a folder")
        return open_rows(path, FileHints(hints.venue, hints.symbol, hints.interval, zone_name(tz), hints.columns))
    except SourceError as error:
        calendar = chinese_calendar_of_markets(settings_of(config).calendar)
        try:
            return bars_of_recordings(path, hints.interval or "1m", calendar, config)
        except SourceError:
            raise error from None


def _opened(path: Path, hints: FileHints, tz: str | None, config: Path | None = None) -> tuple[RowsFile, FileSeries]:
    """A file, and the one series of it that is meant.

    Raises:
        Stop: several, none of which is named.
    """
    file = _file(path, hints, tz, config)
    found = file.facts.series
    if len(found) > 1 and hints.symbol:
        named = NameIndex(StoredName(each.venue, each.symbol) for each in found)
        name = named.resolve(hints.symbol)
        found = tuple(each for each in found if each.symbol == name.symbol)
    if len(found) > 1 and hints.interval:
        found = tuple(each for each in found if each.interval == hints.interval) or found
    if len(found) > 1:
        names = ", ".join(f"{each.symbol} {each.interval}".strip() for each in found[:20])
        raise Stop(Exit.USAGE, f"--symbol: expected one of the {len(found)} series of the file ({names}), was none")
    series = found[0]
    if is_chinese(series.venue) and series.symbol:
        products = EXCHANGES[series.venue].products
        product = base_of(product_of(series.symbol)).lower()
        if products and product not in products:
            near = did_you_mean(product, products)
            raise Stop(Exit.USAGE, f"--symbol: expected a product of {series.venue}, was {series.symbol!r}{near}")
    return file, series


def _asking(market: MarketClient) -> Callable[[Question], Awaitable[pa.Table]]:
    return market.ask


def _days_by_name(table: pa.Table) -> dict[str, tuple[DayCoverage, ...]]:
    found: dict[str, list[DayCoverage]] = {}
    for row in table.to_pylist():
        days = found.setdefault(f"{row['venue']}.{row['symbol']} 1m", [])
        days.append(DayCoverage(row["trading_day"], row["minutes"] or row["bars"], row["bars"]))
    return {name: tuple(days) for name, days in found.items()}


for _command in (jobs, cancel, recheck, verdicts, repair, revisions, universe, recordings, recorder):
    data.command(_command.__name__)(_command)
data.command("import")(import_files)
data.command("export")(export_files)
