"""`marketprism data export`: stored rows as the files that other programs read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa
import typer

from marketprism_adapters.exports.registry import EXPORTS
from marketprism_adapters.exports.series import Exported, ExportFormat, ExportSeries
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import Records, next_of
from marketprism_client import MarketClient
from marketprism_domain.instruments.exchange_codes import is_chinese
from marketprism_services.cli.clocks import Tz, zone_of_symbol
from marketprism_services.cli.data_files import as_stops, stored_name, zone_name
from marketprism_services.cli.data_options import check_options, one_of
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import DataDir, From, NatsUrl, To, ask, nats_of, out
from marketprism_services.cli.words import count_of
from marketprism_services.platform.exits import Exit, Stop

_PAGE = 20_000
_PAGE_OF_LEVELS = 5_000  # a row of books and ticks is some five hundred bytes
_FILES_SHOWN = 5


def export_files(
    target: Annotated[str, typer.Argument(help="A stored instrument, like ru1901.")],
    to_format: Annotated[
        str, typer.Option("--format", help="parquet, vnpy-sqlite, lean, nautilus or hftbacktest.")
    ] = "parquet",
    folder: Annotated[Path, typer.Option("--out", help="Folder that the files are written into.")] = Path(),
    kind: Annotated[str, typer.Option(help="What is written: bar, kline, trade, tick … as the format takes it.")] = "",
    interval: Annotated[str, typer.Option(help="Of the bars: 1m 5m 1h 1d 1w …")] = "1m",
    start: From = None,
    end: To = None,
    name: Annotated[
        str, typer.Option(help="What the instrument is called in the files, where it is another name.")
    ] = "",
    venue: Annotated[str, typer.Option(help="The exchange or the market, like shfe or binance-usdm.")] = "",
    tz: Tz = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Write stored rows as files of other programs: bars, trades, quotes, books.

    Files of the same name are written anew; a database of vnpy takes rows beside those that it has.
    """
    check_options(interval, "bar", "", venue)
    chosen = EXPORTS.get(to_format)
    if chosen is None:
        raise Stop(Exit.USAGE, one_of("--format", to_format, tuple(EXPORTS)))
    if kind and kind not in chosen.kinds:
        raise Stop(Exit.USAGE, one_of("--kind", kind, chosen.kinds))
    kinds = (kind,) if kind else chosen.kinds if chosen.together else chosen.kinds[:1]
    span = zone_of_symbol(target, tz).range(start, end)

    async def written(market: MarketClient) -> tuple[ExportSeries, Exported]:
        asked = [Records(each, target, interval=interval if KINDS[each].has_interval else None) for each in kinds]
        found = await stored_name(market, target, venue, asked)
        given = zone_name(tz)
        zone = ZoneInfo(given or "Asia/Shanghai") if given or is_chinese(found.venue) else UTC
        series = ExportSeries(found.venue, found.symbol, interval, name or found.symbol, zone)
        loop = asyncio.get_running_loop()
        rows = {each: _in_thread(_pages(market, series, each, span), loop) for each in kinds}
        return series, await asyncio.to_thread(chosen.write, series, rows, folder)

    with as_stops():
        series, done = ask(nats_of(data_dir, nats_url), written)
    _show(chosen, series, done, as_json=as_json)


def _in_thread(pages: AsyncIterator[pa.Table], loop: asyncio.AbstractEventLoop) -> Iterator[pa.Table]:
    """The pages as whoever writes files takes them, one after the other, in a thread beside the loop that asks."""

    async def following() -> pa.Table | None:
        return await anext(pages, None)

    while (page := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not None:
        yield page


async def _pages(
    market: MarketClient, series: ExportSeries, name: str, span: tuple[int | None, int | None]
) -> AsyncIterator[pa.Table]:
    """Every row of a kind, oldest first; of klines those that are closed."""
    kind = KINDS[name]
    limit = _PAGE_OF_LEVELS if "bids" in kind.fields else _PAGE
    own = series.interval if kind.has_interval else None
    question = Records(name, series.symbol, series.venue, *span, own, limit)
    while True:
        page: pa.Table = await market.ask(question)
        after = next_of(page)
        yield page.filter(page.column("closed")) if "closed" in kind.fields else page
        if after is None:
            return
        question = msgspec.structs.replace(question, after=after, ts_from=int(after[0]))


def _show(chosen: ExportFormat, series: ExportSeries, done: Exported, *, as_json: bool) -> None:
    if as_json:
        found = {
            "format": chosen.name,
            "venue": series.venue,
            "symbol": series.symbol,
            "rows": dict(done.rows),
            "files": [str(path) for path in done.files],
            "remarks": list(done.remarks),
        }
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    say = spoken().translate
    for kind, count in done.rows.items():
        out.print(say(f"{kind}: {count_of(count, 'row')}"), highlight=False, markup=False)
    for path in done.files[:_FILES_SHOWN]:
        out.print(str(path), highlight=False, markup=False, soft_wrap=True)
    if len(done.files) > _FILES_SHOWN:
        out.print(say(f"and {count_of(len(done.files) - _FILES_SHOWN, 'more file')}"), highlight=False, markup=False)
    for remark in done.remarks:
        out.print(say(remark), highlight=False, markup=False, soft_wrap=True)


__all__ = ["export_files"]
