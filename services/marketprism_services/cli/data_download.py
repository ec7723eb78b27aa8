"""`marketprism data download`: history into a folder, without any server, or into the store as a job of the service."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.downloads.datafeed import datafeed_history
from marketprism_adapters.downloads.folder_journal import FOLDER, FolderJournal
from marketprism_adapters.downloads.folder_rows import FolderRows
from marketprism_adapters.downloads.folder_sink import FolderSink
from marketprism_adapters.downloads.histories import archive_history, rest_history, venue_of_market
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.kinds import BAR, KINDS, KLINE
from marketprism_application.downloads.engine import MODES, Download, Plan, Progress
from marketprism_application.errors import QueryError, SourceError
from marketprism_application.integrity.file_check import CheckAsked, check_file
from marketprism_application.integrity.rendering import plain_report
from marketprism_application.ports.history import History
from marketprism_application.venues.history import LISTED
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.written_names import venue_named
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_domain.sessions.exchange_hours import EXCHANGES
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND
from marketprism_services.cli.clocks import UTC_TIME, Tz, Zone, zone_named
from marketprism_services.cli.data_download_view import DownloadView, plain_download, show_plan, show_result
from marketprism_services.cli.data_files import zone_of
from marketprism_services.cli.data_jobs import SOURCES, StoreDownload, download_into_store
from marketprism_services.cli.data_options import download_options, one_of
from marketprism_services.cli.data_view import show_report
from marketprism_services.cli.options import Config, DataDir, From, NatsUrl, To, settings_of
from marketprism_services.platform.exits import Exit, Stop

_DAY = 1440 * NANOS_PER_MINUTE
_MOST_DAYS = 3_653
_LOOK_S = 0.5


@dataclass(frozen=True)
class Wanted:
    """What is asked for: of which market, into which folder, and from where."""

    market: str
    dataset: Dataset
    folder: Path
    archive: str = ""
    datafeed: str = ""
    rest_url: str = ""
    workers: int = 4
    mode: str = MODES[0]
    keep_raw: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def work(self) -> Path:
        """Where files lie while they are worked on."""
        return self.folder / FOLDER / "files"


def download(
    symbol: Annotated[str, typer.Argument(help="An instrument by its name here, like BTC-USDT or BTC-USDT-PERP.")],
    venue: Annotated[
        str,
        typer.Option(
            help="The market, like binance, binance-usdm, okx, deribit or bybit-linear; of a datafeed the exchange."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The folder that the files go into; repeated, it goes on in it.")
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Into the store of a running pipeline, as a job of its data service.")
    ] = False,
    source: Annotated[
        str, typer.Option(help="Of a download into the store: rest, archive, or auto for what is quicker.")
    ] = SOURCES[0],
    kind: Annotated[
        str,
        typer.Option(
            help="Of rows: kline, trade, funding_rate, open_interest or instrument; without, kline, of a datafeed bar."
        ),
    ] = "",
    interval: Annotated[str, typer.Option(help="Of klines: 1m 5m 1h 1d 1w …; without, 1m.")] = "",
    start: From = None,
    end: To = None,
    archive: Annotated[
        str, typer.Option(help="Take files of the public archive: its URL, or a folder with the same layout.")
    ] = "",
    datafeed: Annotated[
        str,
        typer.Option(
            help="Take bars of a datafeed of VeighNa: rqdata, tushare, tqsdk, a module, or vnpy:vnpy_ib.IbGateway."
        ),
    ] = "",
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many parts are fetched at once.")] = 4,
    mode: Annotated[
        str, typer.Option(help="missing: what the folder does not have yet; all: everything once more.")
    ] = MODES[0],
    keep_raw: Annotated[
        bool, typer.Option("--keep-raw", help="Store the answers and files as they came, with their sums, in _raw.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be asked for, and stop.")] = False,
    confirm: Annotated[bool, typer.Option(help="A range of more than ten years of minutes is meant.")] = False,
    rest_url: Annotated[str, typer.Option(help="In the place of the venue's own host: a simulator, a region.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Download history of a crypto venue, its public archive or a datafeed, as Parquet files, and check what came.

    It can be stopped at any moment, killed too, and goes on where it was. Exit 0 where everything is there, 3 where the
    venue itself has holes, which are named, 1 where parts could not be fetched: the same command tries them again.
    """
    if mode not in MODES:
        raise Stop(Exit.USAGE, one_of("--mode", mode, MODES))
    if source not in SOURCES:
        raise Stop(Exit.USAGE, one_of("--source", source, SOURCES))
    if store:
        of_here = {"--out": out, "--datafeed": datafeed, "--keep-raw": keep_raw, "--dry-run": dry_run}
        of_here |= {"--rest-url": rest_url, "--archive": archive}
        download_options({name for name, value in of_here.items() if value})
    elif out is None:
        raise Stop(Exit.USAGE, "--out: expected a folder, or --store, was none")
    zone = zone_named(tz) if tz else zone_of(venue_named(venue), None) if datafeed else UTC_TIME
    kind = kind or (BAR.name if datafeed else KLINE.name)
    if store:
        market = venue_named(venue)
        _is_listed(market, venue, kind, datafeed=False)
        interval = interval or ("1m" if KINDS[kind].has_interval else "")
        into = StoreDownload(symbol, market, kind, interval, *zone.range(start, end), mode, source, confirm)
        download_into_store(into, zone, data_dir, nats_url, as_json=as_json)
        return
    wanted = _wanted(symbol, venue, kind, interval, (start, end), zone, confirm=confirm, datafeed=datafeed)
    assert out is not None  # noqa: S101 (refused above)
    wanted = replace(
        wanted, folder=out, archive=archive, rest_url=rest_url, workers=workers, mode=mode, keep_raw=keep_raw
    )
    view = DownloadView(zone, silent=as_json)
    try:
        with nullcontext(True) if dry_run else FolderJournal(out).presence() as alone:
            plan, progress = asyncio.run(_run(wanted, view, config, alone=alone, dry_run=dry_run))
    except QueryError as error:
        raise Stop(Exit.USAGE, str(error)) from error
    report = None if dry_run or progress is None or not progress.is_complete else _check(wanted, plan, config)
    if as_json:
        checked = {} if report is None else {"check": plain_report(report)}
        found = plain_download(plan, progress, wanted.remarks, str(FolderSink(out).series_folder(wanted.dataset)))
        print(json.dumps({**found, **checked}, indent=1, ensure_ascii=False))
    elif progress is not None:
        show_result(plan, progress, zone, FolderSink(out).series_folder(wanted.dataset))
        if report is not None:
            show_report(report, zone)
    if progress is not None and not progress.is_complete:
        raise typer.Exit(Exit.FAILED)
    if report is not None and not report.is_clean:
        raise typer.Exit(Exit.INPUT)


def _wanted(
    symbol: str,
    venue: str,
    kind: str,
    interval: str,
    ends: tuple[str | None, str | None],
    zone: Zone,
    *,
    confirm: bool,
    datafeed: str,
) -> Wanted:
    market = venue_named(venue)
    listed = _is_listed(market, venue, kind, datafeed=bool(datafeed))
    interval = interval or ("1m" if KINDS[kind].has_interval else "")
    now = time.time_ns()
    ts_from, ts_to = zone.range(*ends)
    remarks: list[str] = []
    if listed:
        ts_from, ts_to = now - now % _DAY, now - now % _DAY + _DAY
    if ts_from is None:
        raise Stop(Exit.USAGE, "--from: expected the begin of the range, was none")
    if ts_from >= now:
        raise Stop(Exit.USAGE, f"--from: expected a time before now, was {ends[0]}")
    if ts_to is not None and ts_to > now and not listed:
        remarks.append("--to lies in the future: downloaded until now")
        ts_to = now
    ts_to = now if ts_to is None else ts_to
    if ts_to <= ts_from:
        raise Stop(Exit.USAGE, f"--to: expected after --from {ends[0]}, was {ends[1]}")
    if interval == "1m" and (ts_to - ts_from) // _DAY > _MOST_DAYS and not confirm:
        raise Stop(Exit.USAGE, "--from: expected at most ten years of 1m bars, or --confirm")
    try:
        of = market if datafeed else venue_of_market(market)
        dataset = Dataset(kind, of, symbol, interval, ts_from, ts_to)
    except InvalidValue as error:
        raise Stop(Exit.USAGE, str(error)) from error
    return Wanted(market, dataset, Path(), datafeed=datafeed, remarks=tuple(remarks))


def _is_listed(market: str, venue: str, kind: str, *, datafeed: bool) -> bool:
    """Whether rows of the kind are a list of today, which has no past. Raises Stop: no such market, or no such kind."""
    markets = tuple(EXCHANGES if datafeed else MARKETS)
    if market not in markets:
        raise Stop(Exit.USAGE, one_of("--venue", venue, markets))
    kinds = {} if datafeed else MARKETS[market].history("").kinds
    known = (BAR.name,) if datafeed else tuple(kinds)
    if kind not in known:
        raise Stop(Exit.USAGE, one_of("--kind", kind, known))
    return not datafeed and kinds[kind].form == LISTED


@asynccontextmanager
async def _history(wanted: Wanted, config: Path | None) -> AsyncIterator[History]:
    if wanted.datafeed:
        settings = await asyncio.to_thread(settings_of, config)
        calendar = await asyncio.to_thread(chinese_calendar_of_markets, settings.calendar)
        async with datafeed_history(wanted.datafeed, wanted.market, calendar, settings.vnpy) as feed:
            yield feed
    elif wanted.archive:
        async with archive_history(wanted.market, wanted.archive, wanted.work, raw=wanted.keep_raw) as found:
            yield found
    else:
        async with rest_history(wanted.market, wanted.rest_url, raw=wanted.keep_raw) as found:
            yield found


async def _run(
    wanted: Wanted, view: DownloadView, config: Path | None, *, alone: bool, dry_run: bool
) -> tuple[Plan, Progress | None]:
    dataset, sink, journal = (
        wanted.dataset,
        FolderSink(wanted.folder, raw=wanted.keep_raw),
        FolderJournal(wanted.folder),
    )
    async with _history(wanted, config) as history:
        engine = Download(
            history,
            sink,
            journal,
            worker=f"{socket.gethostname()}-{os.getpid()}",
            workers=wanted.workers,
            alone=alone,
            on_change=view.on_change,
        )
        plan = await engine.plan(dataset, wanted.mode, keep=not dry_run)
        if not view.silent:
            show_plan(plan, wanted.remarks, view.zone)
        if dry_run:
            return plan, None
        with view.running(plan):
            watching = asyncio.get_running_loop().create_task(_watch(history, dataset, view))
            try:
                return plan, await engine.run(dataset, plan)
            finally:
                watching.cancel()


async def _watch(history: History, dataset: Dataset, view: DownloadView) -> None:
    """Says when the venue wants to be left alone."""
    while True:
        view.on_budget(history.budget(dataset.kind))
        await asyncio.sleep(_LOOK_S)


def _check(wanted: Wanted, plan: Plan, config: Path | None) -> IntegrityReport | None:
    """What the folder has of the range, within the bounds of the series."""
    dataset = wanted.dataset
    ts_from, ts_to = max(dataset.ts_from, plan.job.first), min(dataset.ts_to, plan.job.last)
    how = None if wanted.datafeed else MARKETS[wanted.market].history("").kinds[dataset.kind]
    if ts_to <= ts_from or (how is not None and how.form == LISTED):
        return None
    inside = replace(dataset, ts_from=ts_from, ts_to=ts_to)
    dense = True if wanted.archive or (how is not None and how.dense) else None
    rows = FolderRows(FolderSink(wanted.folder), inside, dense=dense if dataset.interval else None)
    calendar = chinese_calendar_of_markets(settings_of(config).calendar)
    now = max(time.time_ns(), ts_to + NANOS_PER_SECOND)
    try:
        return check_file(rows, rows.facts.series[0], calendar, CheckAsked(now, ts_from, ts_to, confirmed=True))
    except SourceError as error:
        if "there are none" in str(error):  # a range without a row: the download says so
            return None
        raise
