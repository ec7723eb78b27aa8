"""The read side: what is asked of stored records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.questions import InstrumentSearch

if TYPE_CHECKING:
    import pyarrow as pa


class RangeQuery(NamedTuple):
    """Records of one instrument in [ts_from, ts_to), oldest first.

    `after` is the key of the last row of the page before (keyset paging); `venue` None means every venue.
    `last` asks for the newest `limit` rows instead (still returned oldest first).
    """

    symbol: str
    venue: str | None = None
    ts_from: int | None = None
    ts_to: int | None = None
    interval: str | None = None  # bars only
    limit: int = 1000
    after: tuple[int, int] | None = None  # (ts, seq)
    last: bool = False


class MarketReader(Protocol):
    """The read side. Every result is an Arrow table with the kind's field names.

    Times are int64 nanoseconds UTC, decimals are decimal128(38, 18), `trading_day` is text YYYYMMDD.

    Raises:
        StoreError: engine trouble, or a limit exceeded.
    """

    async def records(self, kind: DataKind, query: RangeQuery) -> pa.Table: ...

    async def latest(self, kind: DataKind, symbols: Sequence[str]) -> pa.Table: ...

    async def symbols(self) -> pa.Table:
        """What is there: symbol, venue, ticks, ts_first, ts_last, bars."""
        ...

    async def daily(self, symbol: str, ts_from: int | None, ts_to: int | None) -> pa.Table:
        """One row per venue and trading day that has a tick in [ts_from, ts_to): `application.daily.COLUMNS`."""
        ...

    async def statistics(self, symbol: str, ts_from: int | None, ts_to: int | None) -> pa.Table:
        """One row per venue over the minute bars that open in [ts_from, ts_to): `application.statistics.COLUMNS`."""
        ...

    async def instruments(self, search: InstrumentSearch) -> pa.Table:
        """The newest terms of each instrument found, by venue and symbol."""
        ...

    async def audit(self, sources: Sequence[str]) -> pa.Table:
        """Per source: stored (rows as they lie there), distinct_ticks, read_back and bars (as they are read)."""
        ...
