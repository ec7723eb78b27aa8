"""`marketprism tail`: ticks as they are published, and what is waited for while there are none."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Annotated

import typer

from marketprism_adapters.calendars import CalendarSettings, chinese_calendar_of_markets
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_services.cli.clocks import Tz, Zone, zone_of_symbol, zone_of_venues
from marketprism_services.cli.days import HOLIDAYS, schedule_of
from marketprism_services.cli.options import Config, DataDir, NatsUrl, ask, calendar_of, err, nats_of, out
from marketprism_services.settings.extras import is_there

if TYPE_CHECKING:
    from marketprism_client import MarketClient

_SILENT_S = 3.0
_REPLAY_NS = 15 * 86_400_000_000_000  # no market is closed for longer: an older tick is of a recording
_SEVERAL = ",*?[>"  # what names of several instruments have


def tail(
    symbol: Annotated[str, typer.Argument(help="Instrument, like ru1901.")],
    count: Annotated[int, typer.Option("-n", help="End after this many ticks; 0 goes on.", min=0)] = 0,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Ticks as they are published; says what it waits for while there are none."""
    zone_of_symbol(symbol, tz)  # a zone that does not exist is refused before anything else
    calendar = calendar_of(config)
    ask(nats_of(data_dir, nats_url), lambda market: _follow(market, symbol, count, tz, calendar))


async def _follow(
    market: MarketClient, symbol: str, count: int, tz: str | None, calendar: CalendarSettings | None
) -> None:
    ticks = market.ticks(symbol)
    first = asyncio.ensure_future(anext(ticks, None))  # subscribed from here on: nothing is missed meanwhile
    try:
        newest = await _newest(market, symbol)
        await asyncio.wait((first,), timeout=_SILENT_S)
        if not first.done():
            zone = zone_of_venues([newest.venue], tz) if newest is not None else zone_of_symbol(symbol, tz)
            say(waiting(symbol, newest, zone, time.time_ns(), calendar))
        tick, seen, title = await first, 0, False
        while tick is not None:
            zone = zone_of_venues([tick.venue], tz)
            if not title:
                title = True
                say(f"ticks of {symbol}, {zone.name}")
            _print(tick, zone)
            seen += 1
            if count and seen >= count:
                return
            tick = await anext(ticks, None)
    finally:
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError, SdkError):
            await first


def say(text: str) -> None:
    """A line beside the ticks, on standard error."""
    err.print(text, highlight=False, markup=False, soft_wrap=True)


async def _newest(market: MarketClient, symbol: str) -> Tick | None:
    """The newest tick that was published, None for an instrument that is listed and has had none, and for several.

    Raises:
        UnknownSymbol: the name means nothing that is published, stored or listed; says what is near.
    """
    if any(sign in symbol for sign in _SEVERAL):
        return None
    try:
        return await market.latest_tick(symbol)
    except SdkError as error:
        say(f"whether there is an instrument {symbol} is not known: {reason_of(error)}")
        return None


def waiting(symbol: str, newest: Tick | None, zone: Zone, now: int, calendar: CalendarSettings | None = None) -> str:
    """What is waited for while nothing is published: the next session, or a source."""
    last = f"; its last tick is of {zone.text(newest.ts_event)} {zone.name}" if newest is not None else ""
    if not is_there(HOLIDAYS):
        return f"waiting for {symbol}{last}: no tick has come yet"
    markets = chinese_calendar_of_markets(calendar)
    schedule = schedule_of(markets, symbol) if newest is None else schedule_of(markets, newest.symbol, newest.venue)
    session = schedule.next_session(now)
    if newest is not None and now - newest.ts_event > _REPLAY_NS:
        return f"waiting for {symbol}{last}: a recording that has ended sends no more"
    if session.ts_open > now:
        return (
            f"waiting for {symbol}: the market is closed, next session {zone.text(session.ts_open)} {zone.name}{last}"
        )
    return f"waiting for {symbol}: the market is open, no tick has come yet{last}"


def _print(tick: Tick, zone: Zone) -> None:
    out.print(line_of(tick, zone), highlight=False, markup=False, soft_wrap=True)


def line_of(tick: Tick, zone: Zone) -> str:
    """A tick on one line; `-` is what it does not have."""
    bid = tick.bids[0] if tick.bids else None
    ask_ = tick.asks[0] if tick.asks else None
    last, volume = ("-" if value is None else value for value in (tick.last, tick.volume))
    return (
        f"{zone.text(tick.ts_event, with_ms=True)}  {tick.venue}.{tick.symbol}"
        f"  last {last}  vol {volume}"
        f"  bid {bid.price if bid else '-'}x{bid.quantity if bid else '-'}"
        f"  ask {ask_.price if ask_ else '-'}x{ask_.quantity if ask_ else '-'}  {tick.verdict}"
    )
