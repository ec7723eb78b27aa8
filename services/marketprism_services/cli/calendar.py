"""`marketprism calendar`: when an instrument trades on a day."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from marketprism_adapters.calendars import chinese_calendar_of_markets, shortage_of
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.names import base_of, product_of
from marketprism_domain.instruments.vt_symbols import from_vt_symbol, to_vt_symbol
from marketprism_domain.instruments.written_names import before, venue_named
from marketprism_domain.sessions.exchange_hours import EXCHANGES, versions_of
from marketprism_domain.sessions.sessions import Session
from marketprism_domain.sessions.trading_days import TradingDays, day_text
from marketprism_domain.values import Symbol, Venue
from marketprism_services.cli.clocks import Tz, Zone, chinese_venue, zone_of_venues
from marketprism_services.cli.options import Config, err, out, settings_of
from marketprism_services.platform.exits import Exit, Stop

_CHINA = timedelta(hours=8)
_VENUES = (*EXCHANGES, *{market.partition("-")[0]: None for market in MARKETS})


def calendar(
    symbol: Annotated[str, typer.Argument(help="Instrument or product, like rb2505 or rb.")],
    day: Annotated[str | None, typer.Option("--date", help="Trading day, 2025-03-03; today without.")] = None,
    venue: Annotated[
        str | None, typer.Option(help="The exchange, where the name of the product does not tell it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    tz: Tz = None,
    config: Config = None,
) -> None:
    """Show the sections of a trading day: auction, open and close, night sessions included.

    A crypto venue never closes: its trading day is the date in UTC, from 00:00 to 24:00, in one section.
    """
    where, symbol = _instrument(symbol, venue)
    wanted = day_option(day)
    markets = chinese_calendar_of_markets(settings_of(config).calendar)
    schedule = markets.schedule(where, symbol)
    warning = _warning(markets.days, wanted, where)
    if warning and not as_json:
        err.print(f"warning: {warning}", style="yellow", highlight=False, markup=False)
    if not schedule.trades(wanted):
        following = schedule.next_day(wanted)
        raise Stop(Exit.FAILED, f"{wanted} is no trading day; the next one is {following}")
    sessions = schedule.sessions(day_text(wanted))
    following = schedule.next_day(wanted)
    zone = zone_of_venues([where], tz)
    if as_json:
        short = schedule.is_short(day_text(wanted))
        plain = _plain(symbol, where, sessions, following, zone)
        print(json.dumps({**plain, "short": short, "warning": warning}, indent=1))
        return
    table = Table("section", "auction", "open", "close", "minutes", box=None)
    for session in sessions:
        auction = zone.text(session.ts_auction)[11:16] if session.ts_auction < session.ts_open else ""
        minutes = (session.ts_close - session.ts_open) // 60_000_000_000
        table.add_row(
            str(session.number + 1),
            auction,
            zone.text(session.ts_open)[:16],
            zone.text(session.ts_close)[:16],
            str(minutes),
        )
    listed = f" ({product_of(symbol)})" if where in EXCHANGES else ""
    text = f"{where}.{symbol}{listed}, trading day {wanted}, {zone.name}"
    out.print(text, highlight=False, markup=False, soft_wrap=True)
    out.print(table)
    if schedule.is_short(day_text(wanted)):
        out.print("a short day, by [calendar] short of the settings", highlight=False, markup=False)
    out.print(f"the next trading day is {following}", highlight=False)
    if where not in EXCHANGES:
        text = f"{where} is no Chinese exchange: it never closes, its trading day is the date in UTC"
        out.print(text, highlight=False, markup=False, soft_wrap=True)


def _warning(days: TradingDays, wanted: date, venue: str) -> str | None:
    """That the calendar ends soon, or before the day; None of a market that never closes."""
    if versions_of(venue, "") is None or days.known_to is None:
        return None
    today = day_option(None)
    return shortage_of(days, max(today, wanted))


def _instrument(text: str, venue: str | None) -> tuple[str, str]:
    """Venue and symbol of what was named, rb2505 or rb2505.SHFE."""
    try:
        named, symbol = from_vt_symbol(text)
        if named is None and (reading := before(text)) is not None and reading.venue in _VENUES:  # okx.BTC-USDT
            named, symbol = reading.venue, reading.symbol
        at = venue_named(venue).partition("-")[0] if venue else named or chinese_venue(str(Symbol(symbol)))
        found = at and str(Venue(at))
    except InvalidValue as error:
        raise Stop(Exit.USAGE, str(error)) from error
    venues = ", ".join((*EXCHANGES, *MARKETS))
    if found is not None:
        _check_venue(found, symbol, venues)
    if found is None:
        raise Stop(
            Exit.USAGE,
            f"symbol: expected a product of a Chinese exchange, like rb or rb2505, was {text!r}; "
            f"with --venue any name is taken: {venues}",
        )
    return found, symbol


def _check_venue(venue: str, symbol: str, venues: str) -> None:
    """That there is such a venue, and that no other exchange lists the product: each has hours of its own."""
    if venue not in _VENUES:
        raise Stop(Exit.USAGE, f"venue: expected one of {venues}, was {venue!r}{did_you_mean(venue, _VENUES)}")
    home = chinese_venue(symbol) if venue in EXCHANGES else None
    if home not in (None, venue) and base_of(product_of(symbol)).lower() not in EXCHANGES[venue].products:
        raise Stop(Exit.USAGE, f"venue: expected {home}, which lists {symbol}, was {venue}")


def day_option(text: str | None) -> date:
    """The day of `--date`; today without."""
    if text is None:
        return (datetime.now(UTC) + _CHINA).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Stop(Exit.USAGE, f"--date: expected a day like 2025-03-03, was {text!r}") from None


def _plain(symbol: str, venue: str, sessions: tuple[Session, ...], following: date, zone: Zone) -> dict[str, object]:
    return {
        "symbol": symbol,
        "venue": venue,
        "vt_symbol": to_vt_symbol(venue, symbol),
        "trading_day": sessions[0].trading_day,
        "next": day_text(following),
        "zone": zone.name,
        "sections": [
            {
                "auction": zone.text(session.ts_auction) if session.ts_auction < session.ts_open else None,
                "open": zone.text(session.ts_open),
                "close": zone.text(session.ts_close),
                "ts_open": session.ts_open,
                "ts_close": session.ts_close,
            }
            for session in sessions
        ],
    }
