"""Commands that read: bars, tail, coverage, gaps, quality."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from marketprism_application.queries.checks import by_activity
from marketprism_application.queries.export import BAR_COLUMNS, FORMATS, render
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Interval
from marketprism_services.cli.options import ROWS_SHOWN, DataDir, From, NatsUrl, To, ask, emit, out, show, url_of
from marketprism_services.cli.tables import bars_table, candles_in_terminal, candles_to_file, clock_text
from marketprism_services.platform.exits import Exit, Stop

if TYPE_CHECKING:
    from marketprism_client import MarketClient


def bars(
    symbol: Annotated[str, typer.Argument(help="Instrument, like ru1901.")],
    interval: Annotated[str, typer.Option(help="1m 5m 1h 1d …, or made of ticks: tick:100, volume:1000.")] = "1m",
    start: From = None,
    end: To = None,
    form: Annotated[str, typer.Option("--format", help="table, csv, json, arrow, parquet or msgpack.")] = "table",
    output: Annotated[Path | None, typer.Option(help="Write to a file instead of the terminal.")] = None,
    plot: Annotated[
        bool, typer.Option("--plot", help="A candlestick picture: in the terminal, or in --output (.png, .svg, .html).")
    ] = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Bars of an instrument; yellow rows overlap a known gap."""
    _check_interval(interval)
    if form not in ("table", *FORMATS):
        raise Stop(Exit.USAGE, f"--format: expected one of table, {', '.join(FORMATS)}, was {form!r}")
    data = ask(url_of(data_dir, nats_url), lambda market: market.bars(symbol, interval, start, end))
    title = f"{symbol} {interval}"
    if not data.num_rows:
        raise Stop(
            Exit.FAILED, f"no {interval} bars of {symbol} in that range; `marketprism status` shows what is stored"
        )
    if plot and output is None:
        out.print(candles_in_terminal(data, title), highlight=False, markup=False)
    elif plot and output is not None:
        candles_to_file(data, output, title)
        out.print(f"wrote {output}", highlight=False)
    elif form == "table":
        out.print(
            bars_table(
                data, title=f"{title}, newest {min(ROWS_SHOWN, data.num_rows)} of {data.num_rows}", last=ROWS_SHOWN
            )
        )
    else:
        emit(render(data, form, BAR_COLUMNS), output)


def _check_interval(interval: str) -> None:
    try:
        if not by_activity(interval):
            Interval.parse(interval)
    except InvalidValue as error:
        raise Stop(Exit.USAGE, str(error)) from error


def tail(
    symbol: Annotated[str, typer.Argument(help="Instrument, like ru1901.")],
    count: Annotated[int, typer.Option("-n", help="End after so many ticks; 0 goes on.", min=0)] = 0,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Ticks as they are published."""

    async def follow(market: MarketClient) -> None:
        seen = 0
        async for tick in market.ticks(symbol):
            bid = tick.bids[0] if tick.bids else None
            ask_ = tick.asks[0] if tick.asks else None
            out.print(
                f"{clock_text(tick.ts_event, with_ms=True)}  {tick.venue}.{tick.symbol}"
                f"  last {tick.last}  vol {tick.volume}"
                f"  bid {bid.price if bid else '-'}x{bid.quantity if bid else '-'}"
                f"  ask {ask_.price if ask_ else '-'}x{ask_.quantity if ask_ else '-'}  {tick.verdict}",
                highlight=False,
                soft_wrap=True,
            )
            seen += 1
            if count and seen >= count:
                return

    ask(url_of(data_dir, nats_url), follow)


def coverage(
    symbol: Annotated[str, typer.Argument(help="Instrument, like ru1901.")],
    start: From = None,
    end: To = None,
    form: Annotated[str, typer.Option("--format", help="table, csv, json, arrow, parquet or msgpack.")] = "table",
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """What is stored of an instrument by trading day, and how complete it is."""
    data = ask(url_of(data_dir, nats_url), lambda market: market.daily(symbol, start, end))
    columns = (
        "trading_day",
        "first",
        "high",
        "low",
        "last",
        "volume",
        "ticks",
        "bars",
        "minutes",
        "complete",
        "gaps",
    )
    show(data, form, columns, f"{symbol} by trading day", f"nothing stored of {symbol}")


def gaps(
    symbol: str,
    start: From = None,
    end: To = None,
    form: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Holes known in an instrument's data."""
    data = ask(url_of(data_dir, nats_url), lambda market: market.gaps(symbol, start, end))
    show(data, form, ("ts_from", "ts_to", "cause", "trading_day", "source"), f"gaps of {symbol}", "no gaps known")


def quality(
    symbol: str,
    start: From = None,
    end: To = None,
    form: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Quality scores of an instrument, a window a row."""
    data = ask(url_of(data_dir, nats_url), lambda market: market.quality(symbol, start, end))
    columns = ("ts_from", "score", "ticks", "accepted", "rejected", "stale", "warned", "anomalies", "reasons")
    show(data, form, columns, f"quality of {symbol}", "no quality reports")
