"""What a store knows of itself: its identity, how far each stream is in it, and where each instrument's rows end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence

from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.contracts.history import REPLACING
from marketprism_application.contracts.kinds import KINDS, DataKind
from marketprism_application.errors import StoreError
from marketprism_application.ports.storage import StoreMark
from marketprism_application.storage.stream_gaps import RowsEnd, RowsNext

_ACTIVE = "INTERVAL 10 DAY"  # an instrument that was silent for longer is not one that a hole can concern
_IDENTITY = f"SELECT id FROM {DATABASE}.store_identity ORDER BY ts_made, id LIMIT 1"


class SqlLedger:
    """Fulfils `StoreLedger` and `RowsLedger`; `archived` says whether a table has rows that lie elsewhere.

    A record is of the time at which it was asked for, later than any that was read or asked for before: one whose
    answer was lost may be done long after the next, on a server with another clock, and must not stand above it.
    `leads` is looked at behind that: who led until then and does not know yet that it has ended records nothing.
    """

    def __init__(
        self,
        engine: Engine,
        archived: Callable[[str], bool] = lambda _: False,
        now_ns: Callable[[], int] = time.time_ns,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._engine = engine
        self._archived = archived
        self._now_ns = now_ns
        self._leads = leads
        self._saved: dict[tuple[str, str], int] = {}  # nanoseconds UTC

    async def identity(self) -> str:
        """The oldest name in the table; the first who asks makes one."""
        for _ in range(2):
            found = (await self._engine.fetch(_IDENTITY)).to_pylist()
            if found:
                break
            await self._engine.execute(
                f"INSERT INTO {DATABASE}.store_identity (id) VALUES ({{id:String}})", {"id": secrets.token_hex(8)}
            )
        return str(found[0]["id"]) if found else await self.identity()

    async def watermark(self, stream: str, created: str) -> StoreMark | None:
        """As it was recorded last."""
        found = await self._engine.fetch(
            "SELECT watermark, ts_message, toUnixTimestamp64Nano(ts_saved) AS saved "
            f"FROM {DATABASE}.store_progress FINAL "
            "WHERE stream = {stream:String} AND created = {created:String}",
            {"stream": stream, "created": created},
        )
        rows = found.to_pylist()
        if not rows:
            return None
        self._saved[stream, created] = max(int(rows[0]["saved"]), self._saved.get((stream, created), 0))
        return StoreMark(int(rows[0]["watermark"]), int(rows[0]["ts_message"]))

    async def record(self, stream: str, created: str, mark: StoreMark) -> None:
        """One row a stream, in its last version.

        Raises:
            StoreError: the lease has run out: it is recorded when it is held again, or by whoever holds it then.
        """
        saved = self._saved[stream, created] = max(self._now_ns(), self._saved.get((stream, created), 0) + 1)
        if not self._leads():
            raise StoreError(f"store: how far {stream} is in it is recorded by who leads")
        await self._engine.execute(
            f"INSERT INTO {DATABASE}.store_progress (stream, created, watermark, ts_message, ts_saved) "
            "VALUES ({stream:String}, {created:String}, {watermark:UInt64}, {ts_message:Int64}, "
            "fromUnixTimestamp64Nano({saved:Int64}, 'UTC'))",
            {"stream": stream, "created": created, "watermark": mark.seq, "ts_message": mark.ts, "saved": saved},
        )

    async def holds(self, stream: str) -> bool:
        """Whether any table of the stream has a row."""
        tables = sorted(kind.table for kind in KINDS.values() if kind.stream == stream)
        for table in tables:
            if (
                self._archived(table)
                or (await self._engine.fetch(f"SELECT 1 AS found FROM {DATABASE}.{table} LIMIT 1")).num_rows
            ):
                return True
        return False

    async def ends(self, kind: DataKind) -> Sequence[RowsEnd]:
        """The last row of every instrument that was active lately."""
        day = "argMax(trading_day, t.ts_event)" if "trading_day" in kind.fields else "''"
        found = await self._engine.fetch(
            f"SELECT venue, symbol, argMax(source, t.ts_event) AS source, {day} AS trading_day, "
            "toUnixTimestamp64Nano(max(t.ts_event)) AS ts_event, toUnixTimestamp64Nano(max(t.ts_pub)) AS ts_pub "
            f"FROM {DATABASE}.{kind.table} AS t "
            f"WHERE t.ts_pub >= (SELECT max(ts_pub) FROM {DATABASE}.{kind.table}) - {_ACTIVE} "
            f"AND t.stream_seq BETWEEN 1 AND {REPLACING - 1} GROUP BY venue, symbol"
        )
        return [RowsEnd(**row) for row in found.to_pylist()]

    async def nexts(self, kind: DataKind, first: int, ts_pub: int) -> Sequence[RowsNext]:
        """The earliest rows behind a hole."""
        found = await self._engine.fetch(
            "SELECT venue, symbol, toUnixTimestamp64Nano(min(t.ts_event)) AS ts_event "
            f"FROM {DATABASE}.{kind.table} AS t "
            f"WHERE t.stream_seq < {REPLACING} AND t.stream_seq >= {{first:UInt64}} "
            "AND t.ts_pub > fromUnixTimestamp64Nano({ts_pub:Int64}, 'UTC') "
            "GROUP BY venue, symbol",
            {"first": first, "ts_pub": ts_pub},
        )
        return [RowsNext(**row) for row in found.to_pylist()]
