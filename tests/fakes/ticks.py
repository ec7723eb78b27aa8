"""Ticks for tests: short to write, right by default."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.values import BookLevel

CHINA = timezone(timedelta(hours=8))


def at(text: str) -> int:
    """Nanoseconds UTC of a China time, `2025-03-03 09:00:00.5`."""
    moment = datetime.fromisoformat(text).replace(tzinfo=CHINA)
    whole = int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000
    return whole + moment.microsecond * 1_000


def tick(
    when: str | int,
    last: float | str | None = 100,
    volume: int | None = 1,
    *,
    day: str = "20250303",
    venue: str = "shfe",
    symbol: str = "rb2505",
    seq: int | None = None,
    **more: object,
) -> Tick:
    """A tick at a China time; turnover is volume times 1 000 unless given."""
    ts = at(when) if isinstance(when, str) else when
    price = None if last is None else Decimal(str(last))
    values: dict[str, object] = {
        "last": price,
        "volume": None if volume is None else Decimal(volume),
        "turnover": None if volume is None else Decimal(volume * 1000),
        "open_interest": Decimal(1000),
        **more,
    }
    recv = values.pop("ts_recv", ts)
    return Tick(venue, symbol, "test", 0, 0, ts, recv, 0, ts if seq is None else seq, day, **values)  # type: ignore[arg-type]


def book(bid: float, ask: float) -> dict[str, tuple[BookLevel, ...]]:
    """One level a side."""
    return {
        "bids": (BookLevel(Decimal(str(bid)), Decimal(1)),),
        "asks": (BookLevel(Decimal(str(ask)), Decimal(1)),),
    }
