"""The table of rows that were set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.sql.parameters import parameter
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.ports.storage import DeadRow
from marketprism_application.storage.redriving import LetterKey

_KEPT = 65_536
_INSERT = (
    f"INSERT INTO {DATABASE}.dead_letters "
    "(stream, stream_seq, stream_index, reason, payload, kind, subject, redriven) VALUES "
    "({stream:String}, {seq:UInt64}, {index:UInt32}, {reason:String}, unhex({payload:String}), "
    "{kind:String}, {subject:String}, {redriven:Bool})"
)


class SqlDeadRows:
    """Fulfils `DeadRows`; `bury` is how a row gets there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def bury(self, row: DeadRow, *, redriven: bool = False) -> None:
        """Set a row aside; of a long payload its beginning."""
        values = {
            "stream": row.stream,
            "seq": row.seq,
            "index": row.offset,
            "reason": parameter(row.reason),
            "payload": row.payload[:_KEPT].hex(),
            "kind": row.kind,
            "subject": parameter(row.subject),
            "redriven": "true" if redriven else "false",
        }
        await self._engine.execute(_INSERT, values)

    async def count(self) -> int:
        """How many there are."""
        found = await self._engine.fetch(f"SELECT count() AS n FROM {DATABASE}.dead_letters FINAL WHERE NOT redriven")
        return int(found.to_pylist()[0]["n"])

    async def letters(self, limit: int, key: LetterKey | None = None) -> Sequence[DeadRow]:
        """The newest, or the one with the key."""
        params: dict[str, Any] = {"limit": limit}
        where = "NOT redriven"
        if key is not None:
            where += " AND stream = {stream:String} AND stream_seq = {seq:UInt64} AND stream_index = {index:UInt32}"
            params |= {"stream": parameter(key.stream), "seq": key.seq, "index": key.offset}
        found = await self._engine.fetch(
            "SELECT stream, stream_seq, stream_index, reason, hex(payload) AS payload, kind, subject "
            f"FROM {DATABASE}.dead_letters FINAL WHERE {where} "
            "ORDER BY ts_dead DESC, stream, stream_seq DESC, stream_index DESC LIMIT {limit:UInt32}",
            params,
        )
        return [
            DeadRow(
                row["stream"],
                row["stream_seq"],
                row["stream_index"],
                row["reason"],
                bytes.fromhex(row["payload"]),
                row["kind"],
                row["subject"],
            )
            for row in found.to_pylist()
        ]

    async def forget(self, row: DeadRow) -> None:
        """Recorded as redriven: the row of the same key that was written last counts."""
        await self.bury(row, redriven=True)
