"""OrderMarket that asks the query service: the newest tick, the newest mark, and the terms, which it keeps a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import cast

from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.failures import AnswerError
from marketprism_application.contracts.kinds import MARK_PRICE, TICK
from marketprism_application.contracts.questions import (
    Instruments,
    InstrumentSearch,
    Latest,
    Question,
    decode_answer,
    encode_question,
)
from marketprism_application.ports.order_market import NewestPrices
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.errors import SdkError
from marketprism_sdk.lazy import loaded

AskTick = Callable[[str], Awaitable[bytes | None]]
AskTable = Callable[[bytes], Awaitable[bytes]]
Row = Mapping[str, object]

_KNOWN_S, _UNKNOWN_S = 60.0, 5.0
_MOST = 4_096


class RemoteOrderMarket:
    """`ask_tick` gives the message of a symbol's newest tick, `ask_table` the answer to an encoded question. What fails
    is nothing known, and counted by `on_failure`."""

    def __init__(self, ask_tick: AskTick, ask_table: AskTable, on_failure: Callable[[str], None]) -> None:
        self._ask_tick = ask_tick
        self._ask_table = ask_table
        self._on_failure = on_failure
        self._known: OrderedDict[tuple[str, str], tuple[float, InstrumentRecord | None]] = OrderedDict()

    async def newest(self, venue: str, symbol: str) -> NewestPrices | None:
        """The newest prices of an instrument at a venue."""
        tick = await self._tick(venue, symbol)
        mark = await self._row(Latest(MARK_PRICE.name, (symbol,)), venue, symbol)
        marked = _number(mark, "mark_price")
        if tick is not None:
            return NewestPrices(tick.last, marked, tick.ts_event)
        row = await self._row(Latest(TICK.name, (symbol,)), venue, symbol)
        if row is None and marked is None:
            return None
        ts = row.get("ts_event") if row is not None else None
        return NewestPrices(_number(row, "last"), marked, cast("int", ts or 0))

    async def listed(self, venue: str, symbol: str) -> InstrumentRecord | None:
        """Its terms as the venue lists them, at most a minute old."""
        key, now_s = (venue, symbol), time.monotonic()
        entry = self._known.get(key)
        if entry is not None and entry[0] > now_s:
            return entry[1]
        row = await self._row(Instruments(InstrumentSearch(symbol, venue)), venue, symbol)
        found = None if row is None else _record(row)
        self._known[key] = (now_s + (_UNKNOWN_S if found is None else _KNOWN_S), found)
        self._known.move_to_end(key)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return found

    async def _tick(self, venue: str, symbol: str) -> Tick | None:
        try:
            data = await self._ask_tick(symbol)
            tick = None if data is None else cast("Tick", decode(TICK, data))
        except (SdkError, ValueError):
            self._on_failure("tick")
            return None
        # A symbol may be traded at several venues: what was asked for is one of them.
        return tick if tick is not None and (tick.venue, tick.symbol) == (venue, symbol) else None

    async def _row(self, question: Question, venue: str, symbol: str) -> Row | None:
        try:
            await loaded("pyarrow")
            rows: Sequence[Row] = decode_answer(await self._ask_table(encode_question(question))).to_pylist()
        except (SdkError, AnswerError, ValueError):
            self._on_failure("table")
            return None
        return next((row for row in rows if (row.get("venue"), row.get("symbol")) == (venue, symbol)), None)


def _number(row: Row | None, name: str) -> Decimal | None:
    value = None if row is None else row.get(name)
    return Decimal(f"{value.normalize():f}") if isinstance(value, Decimal) else None


def _record(row: Row) -> InstrumentRecord:
    values = {}
    for name in InstrumentRecord._fields:
        value = row.get(name)
        values[name] = _number(row, name) if isinstance(value, Decimal) else value
    return InstrumentRecord(**values)  # type: ignore[arg-type]
