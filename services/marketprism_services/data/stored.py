"""What a task has of the platform: questions, the store itself, and where rows and holes are given to it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import NamedTuple

import pyarrow as pa

from marketprism_adapters.nats.gap_ledger import NatsGapLedger
from marketprism_adapters.nats.history_log import NatsHistoryLog
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.contracts.failures import AnswerError
from marketprism_application.contracts.questions import (
    BarSeries,
    Names,
    Question,
    Records,
    decode_answer,
    encode_question,
)
from marketprism_application.errors import UnknownSymbolError, error_of
from marketprism_application.ports.gap_ledger import GapLedger
from marketprism_application.ports.history_log import HistoryLog
from marketprism_application.ports.reading import StoreReader
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_application.queries.symbol_names import NameIndex, StoredName
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.messaging import LeaderClient, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.wiring.pipeline_contents import admit, held, refuse_other

_ASK_S = 30.0


class SeriesRow(NamedTuple):
    """A stored series of bars or klines: when its first and its last bar opens, and how many there are."""

    kind: str
    venue: str
    symbol: str
    interval: str
    ts_first: int
    ts_last: int
    rows: int


class Stored:
    """The read side and the storage, asked over NATS."""

    def __init__(
        self, connection: NatsConnection, calls: RpcClient, calendar: MarketCalendar, replicas: int = 1
    ) -> None:
        self.calendar, self._replicas = calendar, replicas
        self._connection, self._calls = connection, calls
        leader = LeaderClient(calls, "storage")
        self.reader: StoreReader = RemoteReader(partial(leader.call_raw, "arrow", timeout_s=_ASK_S, idempotent=True))
        self.ledger: GapLedger = NatsGapLedger(connection, calendar)

    def log(self, data: str, what: str) -> HistoryLog:
        """A log for the rows of one series, which are `real` or `simulated`, empty for as whatever is stored; what it
        does not take of the other kind is named `what`, in MixedData."""

        async def accept() -> None:
            if data:
                await admit(self._connection, data, what, self._replicas)

        return NatsHistoryLog(self._connection, accept)

    async def held(self) -> str:
        """`real` or `simulated`, as rows of the pipeline are; empty where nobody knows yet. Raises SdkError."""
        return await held(self._connection)

    async def refuse_other(self, data: str, what: str) -> None:
        """Raises MixedData where the pipeline holds rows of the other kind, and SdkError; nothing is remembered."""
        refuse_other(await self.held(), data, what, self._connection)

    async def ask(self, question: Question) -> pa.Table:
        """The answer of the read side; records of an instrument that it does not know are an answer without rows, for
        klines that were downloaded lie there without anything else of their instrument.

        Raises:
            ApplicationError: the class of the code that it failed with. SdkError: nobody answers.
        """
        data = encode_question(question)
        answer = await self._calls.call_raw("query", "arrow", data, timeout_s=_ASK_S, idempotent=True)
        try:
            return decode_answer(answer)
        except AnswerError as error:
            failure = error.failure
            if isinstance(question, Records) and failure.code == UnknownSymbolError.code:
                table = schema_of(question.kind).empty_table()
                return table.select(question.fields) if question.fields else table
            raise error_of(failure.code, failure.message, retryable=failure.retryable) from error

    async def holder(self, kind: str, symbol: str, venue: str | None, interval: str) -> tuple[str, str] | None:
        """(venue, symbol) of rows of a kind under that name, None where there are none. Raises as `ask` does."""
        table = await self.ask(Records(kind, symbol, venue, interval=interval or None, limit=1))
        row = table.select(["venue", "symbol"]).to_pylist()
        return (str(row[0]["venue"]), str(row[0]["symbol"])) if row else None

    async def series(self) -> list[SeriesRow]:
        """Every stored series of bars and klines, by kind, venue, symbol and interval. Raises as `ask` does."""
        table = await self.ask(BarSeries())
        return await asyncio.to_thread(lambda: [SeriesRow(**row) for row in table.to_pylist()])

    async def bar_series(self) -> list[tuple[str, str, str, str]]:
        """Kind, venue, symbol and interval of each stored series of bars and klines. Raises as `ask` does."""
        return [each[:4] for each in await self.series()]

    async def names(self) -> NameIndex:
        """Every instrument that is known. Raises as `ask` does."""
        table = await self.ask(Names())
        columns = [table.column(name).to_pylist() for name in ("venue", "symbol", "stored")]
        return await asyncio.to_thread(lambda: NameIndex(StoredName(*row) for row in zip(*columns, strict=True)))


__all__ = ["SeriesRow", "Stored"]
