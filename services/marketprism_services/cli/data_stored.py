"""`marketprism data revisions`, `universe` and `check --job`: what the data service says of stored series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from marketprism_client import CheckReport, MarketClient
from marketprism_services.cli.clocks import Tz, Zone, zone_of_symbol
from marketprism_services.cli.data_client import ask_data, followed
from marketprism_services.cli.data_jobs import AsJson, plain
from marketprism_services.cli.data_jobs_view import JobView, line
from marketprism_services.cli.data_options import CheckOptions, one_of
from marketprism_services.cli.data_repair_view import show_check
from marketprism_services.cli.options import DataDir, NatsUrl, nats_of, out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.platform.exits import Exit, Stop

_RANKS = ("change", "volume", "turnover")
_REVISION = ("revision", "published", "source", "cause", "open", "high", "low", "close", "volume", "turnover")
_RANKED = ("venue", "symbol", "day", "open", "close", "change", "volume", "turnover")


def revisions(
    symbol: Annotated[str, typer.Argument(help="An instrument, like ru1901 or BTC-USDT-PERP.")],
    at: Annotated[str, typer.Option(help="When the bar opens: 2018-10-09T21:00 in the zone of --tz.")],
    interval: Annotated[str, typer.Option(help="Of the bar: 1m 5m 1h 1d …")] = "1m",
    kind: Annotated[str, typer.Option(help="bar or kline (the venue's own bars).")] = "bar",
    venue: Annotated[str, typer.Option(help="The exchange or the market, where several have it.")] = "",
    as_json: AsJson = False,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Every revision of one bar: what it was, from when on, and why it was changed."""
    zone = zone_of_symbol(symbol, tz)
    ts = zone.instant(at, "--at")
    found = ask_data(
        nats_of(data_dir, nats_url),
        lambda market: market.data.revisions(symbol, ts, venue=venue, kind=kind, interval=interval),
    )
    if as_json:
        print(plain(found))
    elif not found:
        line(f"no {interval} bar of {symbol} opens at {zone.text(ts or 0)}")
    else:
        rows = [{**msgspec.structs.asdict(each), "published": zone.text(each.ts_pub)} for each in found]
        show_table(out, rows, _REVISION, Look("", zone, len(rows), ("turnover",)))
    if not found:
        raise typer.Exit(Exit.FAILED)


def universe(
    rank: Annotated[str, typer.Option(help="change, volume or turnover.")] = "change",
    day: Annotated[str, typer.Option(help="The day, like 2024-05-06; without, the last one.")] = "",
    top: Annotated[int, typer.Option(min=1, max=1_000, help="So many.")] = 10,
    venue: Annotated[str, typer.Option(help="Of one exchange or market only.")] = "",
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """The first instruments of a day: by their change, by volume, or by turnover."""
    if rank not in _RANKS:
        raise Stop(Exit.USAGE, one_of("--rank", rank, _RANKS))
    text = day.replace("-", "")
    if day and not (len(text) == 8 and text.isdecimal()):
        raise Stop(Exit.USAGE, f"--day: expected a day like 2024-05-06, was {day!r}")
    found = ask_data(
        nats_of(data_dir, nats_url),
        lambda market: market.data.universe(rank=rank, day=text, top=top, venue=venue),
    )
    if as_json:
        print(plain(found))
    elif not found:
        line("no instrument has a bar of that day")
    else:
        rows = [msgspec.structs.asdict(each) for each in found]
        show_table(out, rows, _RANKED, Look(last=len(rows), drop=("turnover",)))


def check_as_job(
    symbol: str,
    venue: str,
    kind: str,
    asked: CheckOptions,
    witnesses: Sequence[str],
    zone: Zone,
    data_dir: Path | None,
    nats_url: str | None,
    *,
    as_json: bool,
) -> CheckReport:
    """A check as a job of the data service, followed and shown: its defects can be judged and repaired."""
    ts_from, ts_to = zone.range(asked.start, asked.end)
    view = JobView(silent=as_json)

    async def work(market: MarketClient) -> CheckReport:
        job = await market.data.start_check(
            symbol,
            ts_from,
            ts_to,
            venue=venue,
            kind=kind,
            interval=asked.interval,
            witnesses=witnesses,
            dense=asked.dense,
            alignment=asked.alignment,
            confirm=asked.confirmed,
        )
        await followed(job, view)
        return await market.data.report(job)

    found = ask_data(nats_of(data_dir, nats_url), work, view)
    if as_json:
        print(plain(found))
    else:
        show_check(found, zone)
    return found


__all__ = ["check_as_job", "revisions", "universe"]
