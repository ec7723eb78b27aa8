"""Instruments and intervals as VeighNa has them and as MarketPrism has them.

An exchange that VeighNa has a word for is the venue of that name in small letters: `SHFE` is `shfe`. All others, crypto
venues among them, are at `GLOBAL`, and their symbols end with the venue, as those of VeighNa's own crypto gateways do:
`BTC-USDT-PERP_BINANCE`.
"""

from __future__ import annotations

from typing import NamedTuple

from vnpy.trader.constant import Exchange, Interval

from marketprism_domain.instruments.exchange_codes import CHINESE_VENUES

# A pseudo exchange, and one whose code is that of another venue here: `cfe` is the China Financial Futures Exchange.
_NO_VENUES = ("LOCAL", "GLOBAL", "CFE")
EXCHANGE_OF: dict[str, Exchange] = {each.value.lower(): each for each in Exchange if each.value not in _NO_VENUES}
_VENUE_OF = {exchange: venue for venue, exchange in EXCHANGE_OF.items()}
# Where bars of a day bear the date of the trading day, which begins the evening before.
CHINESE = CHINESE_VENUES
INTERVALS: dict[Interval, str] = {
    Interval.MINUTE: "1m",
    Interval.HOUR: "1h",
    Interval.DAILY: "1d",
    Interval.WEEKLY: "1w",
}
BY_DAY = ("1d", "1w")
INTERVAL_OF = {ours: theirs for theirs, ours in INTERVALS.items()}


class UnknownName(ValueError):
    """VeighNa's name of an instrument or an interval that stands for nothing here."""


class Instrument(NamedTuple):
    """An instrument of MarketPrism."""

    venue: str
    symbol: str

    @property
    def chinese(self) -> bool:
        """Whether it trades at a Chinese exchange."""
        return self.venue in CHINESE


def instrument_of(symbol: str, exchange: Exchange) -> Instrument:
    """What VeighNa's symbol and exchange stand for.

    Raises:
        UnknownName: an exchange that is no venue, or a symbol of `GLOBAL` that does not say its venue.
    """
    if exchange is Exchange.GLOBAL:
        name, _, venue = symbol.rpartition("_")
        if not name or not venue:
            raise UnknownName(f"symbol: expected one with its venue, like BTC-USDT_VENUE, was {symbol!r}")
        return Instrument(venue.lower(), name)
    found = _VENUE_OF.get(exchange)
    if found is None or not symbol:
        raise UnknownName(f"vt_symbol: expected a symbol of a venue, or of GLOBAL, was {symbol}.{exchange.value}")
    return Instrument(found, symbol)


def names_of(venue: str, symbol: str) -> tuple[str, Exchange]:
    """VeighNa's symbol and exchange of an instrument."""
    exchange = EXCHANGE_OF.get(venue)
    return (symbol, exchange) if exchange is not None else (f"{symbol}_{venue.upper()}", Exchange.GLOBAL)


def interval_of(interval: Interval | None) -> str:
    """Our word for an interval of bars.

    Raises:
        UnknownName: that of ticks, or none.
    """
    found = INTERVALS.get(interval) if interval is not None else None
    if found is None:
        words = ", ".join(each.value for each in INTERVALS)
        raise UnknownName(f"interval: expected one of {words}, was {getattr(interval, 'value', interval)!r}")
    return found
