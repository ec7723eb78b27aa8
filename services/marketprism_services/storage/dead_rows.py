"""Dead rows as operators see them, and their way back into the tables."""

from __future__ import annotations

from typing import Any

import structlog

from marketprism_application.ports.storage import DeadRow, MarketStore
from marketprism_application.storage.redriving import DeadRows, LetterKey, redrive
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import StoredMessage, direct_get

log = structlog.get_logger()

_SHOWN = 200
_MOST = 10_000
_PAYLOAD = 400


class Letters:
    """Of an open store."""

    def __init__(self, rows: DeadRows, store: MarketStore, connection: NatsConnection, epoch: int) -> None:
        self._rows = rows
        self._store = store
        self._connection = connection
        self._epoch = epoch

    async def count(self) -> int:
        """How many there are."""
        return await self._rows.count()

    async def shown(self, request: Any) -> list[dict[str, Any]]:
        """What is asked for, in words."""
        return [
            {
                "key": str(LetterKey(row.stream, row.seq, row.offset)),
                "stream": row.stream,
                "seq": row.seq,
                "index": row.offset,
                "kind": row.kind,
                "subject": row.subject,
                "reason": row.reason,
                "bytes": len(row.payload),
                "payload": row.payload[:_PAYLOAD].hex(),
            }
            for row in await self._wanted(request)
        ]

    async def redrive(self, request: Any) -> dict[str, str]:
        """By key why it is not in, empty where it is."""
        done: dict[str, str] = {}
        for row in await self._wanted(request):
            key = LetterKey(row.stream, row.seq, row.offset)
            done[str(key)] = wrong = await redrive(
                row, self._store, self._rows, self._epoch, await self._message_of(row)
            )
            log.info("dead row redriven" if not wrong else "dead row refused again", key=str(key), reason=wrong)
        return done

    async def _wanted(self, request: Any) -> list[DeadRow]:
        asked = request if isinstance(request, dict) else {}
        key = LetterKey.parse(str(asked["key"])) if asked.get("key") else None
        if asked.get("key") and key is None:
            raise ValueError(f"key: expected STREAM:sequence.index, was {asked['key']!r}")
        limit = asked.get("limit", _SHOWN)
        if not isinstance(limit, int) or not 0 < limit <= _MOST:
            raise ValueError(f"limit: expected 1 to {_MOST}, was {limit!r}")
        return list(await self._rows.letters(limit, key))

    async def _message_of(self, row: DeadRow) -> StoredMessage | None:
        """The whole message, where the stream still holds it and the row itself was not kept."""
        if row.kind:
            return None
        try:
            return await direct_get(self._connection, row.stream, row.seq)
        except SdkError as error:
            log.warning("message of a dead row not readable", stream=row.stream, seq=row.seq, error=str(error))
            return None


__all__ = ["Letters"]
