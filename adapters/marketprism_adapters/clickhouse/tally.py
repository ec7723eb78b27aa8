"""StoreTally over any engine that speaks ClickHouse's SQL."""

from __future__ import annotations

import time
from collections.abc import Sequence

from marketprism_adapters.clickhouse.sql.engine import Fetching
from marketprism_adapters.clickhouse.sql.parameters import Params, parameter
from marketprism_adapters.clickhouse.topology import DATABASE, TICKS, Topology
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.ports.storage import TickKey

_NAMES_AT_ONCE = 500
_DAY_NS = 86_400 * 1_000_000_000


class SqlTally:
    """Counts places, not rows: what lies there twice until a merge is one."""

    def __init__(self, engine: Fetching, topology: Topology | None = None) -> None:
        self._engine = engine
        self._keep_days = (topology or Topology()).keep_days.get(TICKS, 0)

    async def rows(self, kind: DataKind, first: int, last: int) -> int:
        """Distinct places of a range in the kind's table."""
        return await self._places(f"{DATABASE}.{kind.table}", "1", {"first": first, "last": last})

    async def dead(self, stream: str, first: int, last: int) -> int:
        """Distinct places of a range that were set aside."""
        params: Params = {"first": first, "last": last, "stream": parameter(stream)}
        return await self._places(f"{DATABASE}.dead_letters", "stream = {stream:String}", params)

    async def _places(self, table: str, where: str, params: Params) -> int:
        statement = (
            f"SELECT uniqExact(stream_seq, stream_index) AS places FROM {table} "
            f"WHERE {where} AND stream_seq BETWEEN {{first:UInt64}} AND {{last:UInt64}}"
        )
        return int((await self._engine.fetch(statement, params)).to_pylist()[0]["places"])

    async def absent(self, ticks: Sequence[TickKey]) -> Sequence[TickKey]:
        """Ticks without a row, by what they are known by: a row of an earlier run of the same recording counts.

        One that is older than the table keeps them is missed by nobody.
        """
        kept_since = time.time_ns() - self._keep_days * _DAY_NS if self._keep_days else 0
        ticks = [tick for tick in ticks if tick.ts_event >= kept_since]
        found: set[TickKey] = set()
        by_name: dict[tuple[str, str], list[TickKey]] = {}
        for tick in ticks:
            by_name.setdefault((tick.venue, tick.symbol), []).append(tick)
        names = sorted(by_name)
        for start in range(0, len(names), _NAMES_AT_ONCE):
            chosen = names[start : start + _NAMES_AT_ONCE]
            found |= await self._there(chosen, [tick for name in chosen for tick in by_name[name]])
        return [tick for tick in ticks if tick not in found]

    async def _there(self, names: Sequence[tuple[str, str]], ticks: Sequence[TickKey]) -> set[TickKey]:
        params: Params = {
            "from": min(tick.ts_event for tick in ticks),
            "to": max(tick.ts_event for tick in ticks),
            "low": min(tick.seq for tick in ticks),
            "high": max(tick.seq for tick in ticks),
        }
        listed = []
        for number, symbol in enumerate(sorted({symbol for _, symbol in names})):
            params[f"s{number}"] = parameter(symbol)
            listed.append(f"{{s{number}:String}}")
        statement = (
            f"SELECT venue, symbol, toUnixTimestamp64Nano(t.ts_event) AS ts, t.seq AS seq FROM {DATABASE}.{TICKS} AS t "
            f"WHERE symbol IN ({', '.join(listed)}) AND t.ts_event >= fromUnixTimestamp64Nano({{from:Int64}}, 'UTC') "
            "AND t.ts_event <= fromUnixTimestamp64Nano({to:Int64}, 'UTC') "
            "AND t.seq BETWEEN {low:Int64} AND {high:Int64}"
        )
        rows = (await self._engine.fetch(statement, params)).to_pylist()
        return {TickKey(str(row["venue"]), str(row["symbol"]), int(row["ts"]), int(row["seq"])) for row in rows}


__all__ = ["SqlTally"]
