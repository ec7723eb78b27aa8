"""Dead rows as operators see them, and their way back into the tables."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import structlog

from marketprism_application.ports.storage import DeadRow, MarketStore
from marketprism_application.storage.redriving import DeadRows, LetterKey, redrive
from marketprism_sdk.errors import RemoteError, SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import StoredMessage, direct_get

log = structlog.get_logger()

_SHOWN = 200
_MOST = 10_000
_PAYLOAD = 400


class LettersRequest(msgspec.Struct, frozen=True):
    """Which dead rows: the one of `key` (STREAM:seq.index), or up to `limit`, newest first."""

    key: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MOST)] = _SHOWN

    def letter(self) -> LetterKey | None:
        """The key taken apart, None where none is asked for.

        Raises:
            RemoteError: INVALID_PARAMETER, it is none.
        """
        if not self.key:
            return None
        found = LetterKey.parse(self.key)
        if found is None:
            text = f"key: expected STREAM:sequence.index, was {self.key!r}"
            raise RemoteError("INVALID_PARAMETER", text, {"field": "key"})
        return found


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

    async def shown(self, request: LettersRequest) -> list[dict[str, Any]]:
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

    async def redrive(self, request: LettersRequest) -> dict[str, str]:
        """By key why it is not in, empty where it is."""
        done: dict[str, str] = {}
        for row in await self._wanted(request):
            key = LetterKey(row.stream, row.seq, row.offset)
            done[str(key)] = wrong = await redrive(
                row, self._store, self._rows, self._epoch, await self._message_of(row)
            )
            if wrong:
                log.info("dead_row.refused", key=str(key), reason=wrong)
            else:
                log.info("dead_row.redriven", key=str(key))
        return done

    async def _wanted(self, request: LettersRequest) -> list[DeadRow]:
        return list(await self._rows.letters(request.limit, request.letter()))

    async def _message_of(self, row: DeadRow) -> StoredMessage | None:
        """The whole message, where the stream still holds it and the row itself was not kept."""
        if row.kind:
            return None
        try:
            return await direct_get(self._connection, row.stream, row.seq)
        except SdkError as error:
            log.warning("dead_row.not_readable", stream=row.stream, seq=row.seq, error=str(error))
            return None


__all__ = ["Letters", "LettersRequest"]
