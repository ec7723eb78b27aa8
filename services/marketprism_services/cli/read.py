"""Commands that read: bars, ticks, coverage, gaps, quality."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from marketprism_application.queries.checks import by_activity
from marketprism_application.queries.export import BAR_COLUMNS, render
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Interval
from marketprism_services.cli.answers import AsJson, Form, Output, Shown, Wanted, emit, show, wanted, zone_of
from marketprism_services.cli.clocks import Tz, zone_of_symbol
from marketprism_services.cli.days import Day, Range, range_of
from marketprism_services.cli.options import (
    ROWS_SHOWN,
    Config,
    DataDir,
    From,
    NatsUrl,
    To,
    ask_table,
    calendar_of,
    err,
    nats_of,
    out,
)
from marketprism_services.cli.pictures import COLOURS, PICTURES, Picture, candles_in_terminal, candles_to_file
from marketprism_services.cli.tables import Look, several_of, show_bars
from marketprism_services.platform.exits import Exit, Stop

Instrument = Annotated[
    str, typer.Argument(help="Instrument, like ru1901; several with commas between, or a pattern like 'ru*'.")
]


def bars(
    symbol: Instrument,
    interval: Annotated[str, typer.Option(help="1m 5m 1h 1d …, or made of ticks: tick:100, volume:1000.")] = "1m",
    start: From = None,
    end: To = None,
    day: Day = None,
    as_of: Annotated[
        str | None, typer.Option(help="Bars as they stood at that time, before later corrections and repairs.")
    ] = None,
    form: Form = None,
    as_json: AsJson = False,
    output: Output = None,
    plot: Annotated[
        bool, typer.Option("--plot", help="A candlestick picture: in the terminal, or in --output (.png, .svg, .html).")
    ] = False,
    colours: Annotated[
        str, typer.Option(help="Colours of --plot: chinese (red rises, green falls) or western (the other way round).")
    ] = COLOURS[0],
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Bars of an instrument; yellow rows overlap a known gap."""
    _check_interval(interval)
    if colours not in COLOURS:
        raise Stop(Exit.USAGE, f"--colours: expected one of {', '.join(COLOURS)}, was {colours!r}")
    how = Wanted("table", None) if plot else wanted(form, output, as_json=as_json)
    if plot and (form or as_json):
        raise Stop(Exit.USAGE, "--plot: expected no --format with it, --output says which picture it is")
    if plot and output is not None and output.suffix.lower() not in PICTURES:
        raise Stop(Exit.USAGE, f"--plot: expected an --output ending in {', '.join(PICTURES)}, was {output.name!r}")
    span = _range(config, symbol, start, end, day, tz, interval)
    stood = zone_of_symbol(symbol, tz).instant(as_of, "--as-of")
    data = ask_table(
        nats_of(data_dir, nats_url),
        lambda market: market.bars(symbol, interval, *span[:2], trading_day=span.trading_day, as_of=stood),
    )
    zone = zone_of(data, tz)
    if not data.num_rows:
        if not how.table:
            emit(render(data, how.form, BAR_COLUMNS), how.output)
        raise Stop(
            Exit.FAILED, f"no {interval} bars of {symbol} in that range; `marketprism status` shows what is stored"
        )
    if plot:
        if names := several_of(data):
            raise Stop(Exit.USAGE, f"--plot: expected one instrument, was {', '.join(names[:10])}")
        picture = Picture(data, symbol, interval, zone, colours)
        if output is None:
            candles_in_terminal(out, picture)
        else:
            candles_to_file(picture, output)
            err.print(f"wrote {output}", highlight=False, markup=False, soft_wrap=True)
    elif how.table:
        shown = min(ROWS_SHOWN, data.num_rows)
        show_bars(
            out,
            data,
            interval,
            Look(f"{symbol} {interval}, newest {shown} of {data.num_rows}, {zone.name}", zone, ROWS_SHOWN),
        )
    else:
        emit(render(data, how.form, BAR_COLUMNS), how.output)


def _range(
    config: Path | None,
    symbol: str,
    start: str | None,
    end: str | None,
    day: str | None,
    tz: str | None,
    interval: str = "",
) -> Range:
    """As `range_of`, with the closed days of the settings where a day is asked for."""
    calendar = calendar_of(config) if day is not None or config is not None else None
    return range_of(symbol, start, end, day, tz, interval, calendar=calendar)


def _check_interval(interval: str) -> None:
    try:
        if not by_activity(interval):
            Interval.parse(interval)
    except InvalidValue as error:
        raise Stop(Exit.USAGE, str(error)) from error


def ticks(
    symbol: Instrument,
    start: From = None,
    end: To = None,
    day: Day = None,
    form: Form = None,
    as_json: AsJson = False,
    output: Output = None,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Stored ticks of an instrument; `tail` shows those that are published now."""
    how = wanted(form, output, as_json=as_json)
    span = _range(config, symbol, start, end, day, tz)
    data = ask_table(
        nats_of(data_dir, nats_url),
        lambda market: market.history.ticks(symbol, *span[:2], trading_day=span.trading_day),
    )
    few = ("ts_event", "last", "volume", "open_interest", "verdict", "trading_day")
    columns = few if how.table else tuple(data.column_names)
    drop = ("open_interest", "trading_day")
    shown = Shown(columns, f"ticks of {symbol}", f"no ticks of {symbol} in that range", drop)
    show(data, how, shown, tz)


def coverage(
    symbol: Instrument,
    start: From = None,
    end: To = None,
    day: Day = None,
    form: Form = None,
    as_json: AsJson = False,
    output: Output = None,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """What is stored of an instrument by trading day, and how complete it is."""
    how = wanted(form, output, as_json=as_json)
    span = _range(config, symbol, start, end, day, tz)
    data = ask_table(
        nats_of(data_dir, nats_url), lambda market: market.daily(symbol, *span[:2], trading_day=span.trading_day)
    )
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
    drop = ("minutes", "bars", "ticks", "first", "volume")
    shown = Shown(columns, f"{symbol} by trading day", f"nothing stored of {symbol}", drop)
    show(data, how, shown, tz)


def gaps(
    symbol: Instrument,
    start: From = None,
    end: To = None,
    day: Day = None,
    form: Form = None,
    as_json: AsJson = False,
    output: Output = None,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Holes known in an instrument's data."""
    how = wanted(form, output, as_json=as_json)
    span = _range(config, symbol, start, end, day, tz)
    data = ask_table(
        nats_of(data_dir, nats_url), lambda market: market.history.gaps(symbol, *span[:2], trading_day=span.trading_day)
    )
    columns = ("ts_from", "ts_to", "cause", "trading_day", "source")
    drop = ("source", "trading_day")
    shown = Shown(columns, f"gaps of {symbol}", f"no gaps of {symbol} are known", drop, may_be_empty=True)
    show(data, how, shown, tz)


def quality(
    symbol: Instrument,
    start: From = None,
    end: To = None,
    day: Day = None,
    form: Form = None,
    as_json: AsJson = False,
    output: Output = None,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Quality scores of an instrument, a window a row."""
    how = wanted(form, output, as_json=as_json)
    span = _range(config, symbol, start, end, day, tz)
    data = ask_table(
        nats_of(data_dir, nats_url),
        lambda market: market.history.quality(symbol, *span[:2], trading_day=span.trading_day),
    )
    columns = ("ts_from", "score", "ticks", "accepted", "rejected", "stale", "warned", "anomalies", "reasons")
    drop = ("anomalies", "accepted", "warned", "stale")
    shown = Shown(columns, f"quality of {symbol}", f"no quality reports of {symbol} in that range", drop)
    show(data, how, shown, tz)


__all__ = ["bars", "coverage", "gaps", "quality", "ticks"]
