"""Results of backtests by way of the storage service, which alone has the store open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from marketprism_adapters.remote.reader import Call
from marketprism_application.contracts.backtest_rows import ResultsQuestion, WriteRows
from marketprism_application.contracts.failures import AnswerError, Code, Failure
from marketprism_application.contracts.questions import check_answer, decode_answer, encode_answer, encode_failure
from marketprism_application.errors import ApplicationError, error_of
from marketprism_application.ports.backtest_results import BacktestResults
from marketprism_sdk.errors import reason_of

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_BYTES = 4_000_000  # of an answer, before it is compressed


class RemoteBacktestResults:
    """Fulfils `BacktestResults`; `call` carries a request's bytes there and the answer's bytes back."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def write(self, rows: WriteRows) -> None:
        """Stored when this returns. Raises what the other side raised, and whatever `call` raises."""
        await self._ask(rows)

    async def answer(self, question: ResultsQuestion) -> pa.Table:
        """What the other side answers."""
        return await asyncio.to_thread(decode_answer, await self._ask(question))

    async def _ask(self, request: WriteRows | ResultsQuestion) -> bytes:
        data = await self._call(msgspec.msgpack.encode(request))
        try:
            check_answer(data)
        except AnswerError as error:
            failure = error.failure
            raise error_of(failure.code, failure.message, retryable=failure.retryable) from error
        return data


async def answer_results(results: BacktestResults, data: bytes) -> bytes:
    """The other side: bytes in, bytes out; never raises for what a caller sent. Of many bytes the first rows only."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    try:
        request = msgspec.msgpack.decode(data, type=WriteRows | ResultsQuestion)
        if isinstance(request, WriteRows):
            await results.write(request)
            return encode_answer(pa.table({}))
        table = await results.answer(request)
        rows = table.num_rows
        while rows > 1 and table.slice(0, rows).nbytes > _MOST_BYTES:
            rows //= 2
        return await asyncio.to_thread(encode_answer, table.slice(0, rows))
    except ApplicationError as error:
        return encode_failure(Failure(error.code, str(error), error.retryable))
    except (msgspec.MsgspecError, pa.ArrowException, ValueError) as error:
        return encode_failure(Failure(Code.INVALID_PARAMETER, reason_of(error)))


__all__ = ["RemoteBacktestResults", "answer_results"]
