"""What the store has of the instruments that a run asks for: where they are, and about how many rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import pyarrow as pa

from marketprism_application.backtesting.continuous_view import PREFIX, is_view
from marketprism_application.backtesting.stored_rows import Ask
from marketprism_application.contracts.backtests import RunQuestion
from marketprism_application.contracts.failures import AnswerError, Code
from marketprism_application.contracts.kinds import BAR, TICK, DataKind
from marketprism_application.contracts.overview_questions import Coverage
from marketprism_application.contracts.questions import Continuous, Records
from marketprism_application.contracts.times import iso_short
from marketprism_domain.values import Interval
from marketprism_sdk.errors import RemoteError, SdkError, reason_of
from marketprism_services.backtest.rows import rows_asked

_MINUTE, _DAY = 60 * 10**9, 86_400 * 10**9
_TICKS_A_MINUTE = 120  # of a counter: two a second


class Place(NamedTuple):
    """Where an instrument's rows are: its venue and symbol as they are stored, and the first and last row's times."""

    venue: str
    symbol: str
    first: int
    last: int


class StoredRows:
    """Asks the read side."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def places(self, question: RunQuestion) -> list[Place]:
        """Where the instruments are. Raises RemoteError: one is not known, or has no rows in the range."""
        return [await self._place(question, symbol) for symbol in question.instruments]

    async def _place(self, question: RunQuestion, symbol: str) -> Place:
        asked = rows_asked(question)
        of, interval = (BAR, asked.bars_of) if asked.bars_of else (TICK, None)
        probe: Records | Continuous = Records(
            of.name, symbol, question.venue or None, question.ts_from, question.ts_to, interval, 1
        )
        if is_view(symbol):
            product = symbol.removeprefix(PREFIX)
            probe = Continuous(product, question.venue or None, question.ts_from, question.ts_to, interval or "1m", 1)
        try:
            found = await self._ask(probe)
            if not found.num_rows:
                everything = msgspec.structs.replace(probe, ts_from=None, ts_to=None)
                first = await self._ask(everything)
                last = await self._ask(msgspec.structs.replace(everything, last=True))
                raise _no_data(symbol, of, interval, first, last)
            newest = await self._ask(msgspec.structs.replace(probe, last=True))
        except AnswerError as error:
            code, text = error.failure.code, error.failure.message
            if code in (Code.UNKNOWN_SYMBOL, Code.INVALID_PARAMETER):
                named = text if code == Code.INVALID_PARAMETER else f"instruments: {text}"
                raise RemoteError(Code.INVALID_PARAMETER, named, {"field": "instruments", "value": symbol}) from error
            raise RemoteError(code, text, retryable=True) from error
        except SdkError as error:
            if isinstance(error, RemoteError):
                raise
            raise RemoteError(
                Code.UNAVAILABLE, f"query: expected the read side, {reason_of(error)}", retryable=True
            ) from error
        row, last = found.to_pylist()[0], newest.column(of.time_field)[0].as_py()
        stored = symbol if is_view(symbol) else str(row["symbol"])
        return Place(str(row["venue"]), stored, int(row[of.time_field]), int(last))

    async def estimate(self, question: RunQuestion, places: Sequence[Place]) -> int:
        """About how many rows a run reads: minutes that are there, by the interval of its bars, and ticks by them."""
        asked = rows_asked(question)
        first = min(each.first for each in places)
        until = max(each.last for each in places)
        try:
            found = await self._ask(
                Coverage(
                    names=tuple(each.symbol for each in places),
                    from_day=iso_short(first)[:10],
                    to_day=iso_short(until + _DAY)[:10],
                )
            )
            minutes = int(sum(each or 0 for each in found.column("bars").to_pylist()))
        except (AnswerError, SdkError, KeyError):  # an estimate: rows are counted when they are read
            minutes = (until - first) // _MINUTE * len(places)
        rows = 0
        if asked.bars_of:
            rows += max(1, minutes * _MINUTE // Interval.parse(asked.bars_of).nanos)
        return rows + (minutes * _TICKS_A_MINUTE if asked.wants_ticks else 0)


def _no_data(symbol: str, of: DataKind, interval: str | None, first: pa.Table, last: pa.Table) -> RemoteError:
    what = f"{of.name}s of {interval}" if interval else f"{of.name}s"
    if not first.num_rows:
        return RemoteError(Code.NO_DATA, f"{symbol}: expected {what}, none are stored", {"field": "instruments"})
    begin, end = (iso_short(int(each.column(of.time_field)[0].as_py())) for each in (first, last))
    return RemoteError(
        Code.NO_DATA,
        f"{symbol}: expected {what} in the range, there are from {begin} to {end}",
        {"field": "from", "first": begin, "last": end},
    )


__all__ = ["Place", "StoredRows"]
