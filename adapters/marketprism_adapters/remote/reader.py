"""MarketReader that asks another process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.questions import (
    AnswerError,
    InstrumentSearch,
    Question,
    Sections,
    decode_answer,
    encode_question,
)
from marketprism_application.errors import QueryError, StoreError
from marketprism_application.ports.reading import RangeQuery

if TYPE_CHECKING:
    import pyarrow as pa

Call = Callable[[bytes], Awaitable[bytes]]


class RemoteReader:
    """Fulfils `MarketReader`; `call` carries a question's bytes there and the answer's bytes back."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def _ask(self, question: Question) -> pa.Table:
        try:
            return decode_answer(await self._call(encode_question(question)))
        except AnswerError as error:
            if error.failure.code == "INVALID_PARAMETER":
                raise QueryError(error.failure.message) from error
            raise StoreError(error.failure.message, retryable=error.failure.retryable) from error

    async def records(self, kind: DataKind, query: RangeQuery) -> pa.Table:
        """One page of one instrument."""
        return await self._ask(Question("records", kind.name, *query))

    async def latest(self, kind: DataKind, symbols: Sequence[str]) -> pa.Table:
        """Newest row per symbol and venue."""
        return await self._ask(Question("latest", kind.name, names=tuple(symbols)))

    async def symbols(self) -> pa.Table:
        """What is there."""
        return await self._ask(Question("symbols"))

    async def audit(self, sources: Sequence[str]) -> pa.Table:
        """Counts per source."""
        return await self._ask(Question("audit", names=tuple(sources)))

    async def daily(self, symbol: str, ts_from: int | None, ts_to: int | None) -> pa.Table:
        """Trading days of one instrument."""
        return await self._ask(Question("daily", symbol=symbol, ts_from=ts_from, ts_to=ts_to))

    async def statistics(self, symbol: str, ts_from: int | None, ts_to: int | None) -> pa.Table:
        """Sums over a range."""
        return await self._ask(Question("statistics", symbol=symbol, ts_from=ts_from, ts_to=ts_to))

    async def bars_of_ticks(self, symbol: str, venue: str, sections: Sections, width_ns: int) -> pa.Table:
        """Bars made where the ticks are."""
        question = Question("bars_of_ticks", symbol=symbol, venue=venue, sections=sections, width_ns=width_ns)
        return await self._ask(question)

    async def instruments(self, search: InstrumentSearch) -> pa.Table:
        """Contract terms."""
        return await self._ask(Question("instruments", search=search))
