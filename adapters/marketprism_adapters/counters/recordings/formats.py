"""The formats of recordings: which columns they have, and how a row becomes a tick."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from marketprism_adapters.counters.depth.contracts import Contract, contract_of
from marketprism_adapters.counters.depth.event_times import Times
from marketprism_adapters.counters.depth.fields import BadField, Numbers, levels
from marketprism_adapters.counters.depth.messages import (
    CTP_COLUMNS,
    CTP_NEEDED,
    NANOS_PER_MS,
    RowReader,
    Skipped,
    ctp_rows,
)
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.values import NANOS_PER_SECOND


class Format(NamedTuple):
    """A kind of recording: its columns, those that it must have, and how to read its rows.

    Of `days` one has to be there; `stamp` are the columns of exchange, code, time of day, and of both days. What else
    is missing reads as empty.
    """

    name: str
    columns: tuple[str, ...]
    needed: tuple[str, ...]
    days: tuple[str, ...]
    stamp: tuple[str, str, str, str, str]
    reader: Callable[[dict[str, int], Times, str], RowReader]


CFFEX_COLUMNS = (
    "exchg", "code", "price", "open", "high", "low", "settle_price", "upper_limit", "lower_limit", "total_volume",
    "total_turnover", "open_interest", "trading_date", "action_date", "action_time", "pre_close", "pre_settle",
    "pre_interest",
    *(f"{side}_{what}{n}" for n in range(1, 6) for side in ("bid", "ask") for what in ("price", "qty")),
)  # fmt: skip


_NAMES = {"ActionDay": "action_date", "TradingDay": "trading_date", "ExchangeID": "exchg", "InstrumentID": "code"}


def _cffex(at: dict[str, int], times: Times, source: str) -> RowReader:
    """Rows of per-day dumps with `action_time` as HHMMSSmmm and both cumulative and per-tick amounts."""
    numbers, contracts = Numbers(), _Contracts()
    value, fresh, price, count = numbers.value, numbers.fresh, numbers.price, numbers.count

    amounts = [f"{side}_{what}{n}" for n in range(1, 6) for side in ("bid", "ask") for what in ("price", "qty")]

    def side(row: Sequence[str], name: str) -> list[tuple[Decimal | None, Decimal | None]]:
        return [
            (price(row[at[f"{name}_price{n}"]], f"{name}_price{n}"), value(row[at[f"{name}_qty{n}"]], f"{name}_qty{n}"))
            for n in range(1, 6)
            if row[at[f"{name}_price{n}"]] not in ("0.0", "0", "")
        ]

    def read(row: Sequence[str], number: int) -> Tick | Skipped:
        for name in amounts:  # those behind an empty level too are numbers
            value(row[at[name]], name)
        try:
            return tick_of(row, number)
        except BadField as error:
            raise error.at(_NAMES.get(error.column, error.column)) from error

    def tick_of(row: Sequence[str], number: int) -> Tick | Skipped:
        venue, symbol = contracts[row[at["exchg"]], row[at["code"]]]
        of_day = _hhmmssmmm(row[at["action_time"]])
        if of_day is None:
            text = row[at["action_time"]]
            return Skipped("unreadable_time", f"column action_time: expected HHMMSSmmm, was {text!r}")
        stated = row[at["trading_date"]]
        ts = times.event_ns(venue, stated, row[at["action_date"]], of_day)
        volume = fresh(row[at["total_volume"]], "total_volume")
        opened, high, low = (price(row[at[n]], n) if volume else None for n in ("open", "high", "low"))
        return Tick(
            venue, symbol, source, 0, 0, ts, ts, 0, number, times.trading_day(venue, symbol, ts, stated),
            price(row[at["price"]], "price"), volume, fresh(row[at["total_turnover"]], "total_turnover"),
            count(row[at["open_interest"]], "open_interest"), opened, high, low, None,
            price(row[at["settle_price"]], "settle_price"),
            price(row[at["pre_close"]], "pre_close"), price(row[at["pre_settle"]], "pre_settle"),
            count(row[at["pre_interest"]], "pre_interest"), price(row[at["upper_limit"]], "upper_limit"),
            price(row[at["lower_limit"]], "lower_limit"), None,
            levels(side(row, "bid")), levels(side(row, "ask")),
        )  # fmt: skip

    return read


class _Contracts(dict[tuple[str, str], Contract]):
    """Contracts by what the columns of exchange and code say."""

    def __missing__(self, key: tuple[str, str]) -> Contract:
        self[key] = found = contract_of(*key)
        return found


def _hhmmssmmm(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise BadField("action_time", "HHMMSSmmm", text)
    padded = text.zfill(9)
    hours, minutes, seconds, ms = int(padded[:2]), int(padded[2:4]), int(padded[4:6]), int(padded[6:])
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return (hours * 3600 + minutes * 60 + seconds) * NANOS_PER_SECOND + ms * NANOS_PER_MS


_STAMP = ("ExchangeID", "InstrumentID", "UpdateTime", "TradingDay", "ActionDay")
FORMATS = (
    Format("CTP depth", CTP_COLUMNS, CTP_NEEDED, ("TradingDay", "ActionDay"), _STAMP, ctp_rows),
    Format(
        "CFFEX dump",
        CFFEX_COLUMNS,
        ("code", "price", "total_volume", "action_time"),
        ("trading_date", "action_date"),
        ("exchg", "code", "action_time", "trading_date", "action_date"),
        _cffex,
    ),
)

__all__ = ["FORMATS", "Format", "RowReader", "Skipped"]
