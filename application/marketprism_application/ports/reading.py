"""The read side: what is asked of stored records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from marketprism_application.contracts.questions import StoreQuestion

if TYPE_CHECKING:
    import pyarrow as pa


class StoreReader(Protocol):
    """Answers the questions about what is stored, each as its class says, by one method: whoever stands between a store
    and its readers (a cache, what is not stored yet, another process) is one method too.

    An answer is an Arrow table; of a kind's records it has the kind's field names. Times are int64 nanoseconds UTC,
    decimals are decimal128(38, 18), `trading_day` is text YYYYMMDD.

    Raises:
        StoreError: engine trouble, or a limit exceeded.
    """

    async def answer(self, question: StoreQuestion) -> pa.Table: ...
