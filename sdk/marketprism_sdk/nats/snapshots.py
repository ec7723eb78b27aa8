"""A stream as a run of bytes, by the server's own snapshot, and a stream made of such bytes.

The server sends its files in pieces and goes on with each that is acknowledged, so that a reader who is slow is not
flooded. What comes is the server's form (a tar, compressed by S2), which another server of the same or a later version
reads; beside it the configuration and the state of the stream, without which nothing can be restored.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from marketprism_sdk.errors import DeadlineExceeded, StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api

if TYPE_CHECKING:
    from nats.aio.msg import Msg

CHUNK_BYTES = 128 << 10
_PIECE_S = 20.0  # between two pieces; the server gives up after about as long
_RESTORE_S = 60.0

JsonObject = dict[str, object]


class StreamSnapshot(msgspec.Struct, frozen=True):
    """What is known of a snapshot before its bytes: the stream's configuration and state, as the server has them."""

    stream: str
    config: JsonObject
    state: JsonObject

    @property
    def messages(self) -> int:
        """How many messages it holds."""
        found = self.state.get("messages", 0)
        return found if isinstance(found, int) else 0


class SnapshotReader:
    """The bytes of one snapshot; iterate once."""

    def __init__(self, connection: NatsConnection, snapshot: StreamSnapshot, pieces: asyncio.Queue[Msg]) -> None:
        self._connection = connection
        self._pieces = pieces
        self.snapshot = snapshot

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Each piece, acknowledged once the reader asks for the next.

        Raises:
            DeadlineExceeded: no piece came. StreamError: the server broke off. NotConnected: the connection is away.
        """
        while True:
            try:
                async with asyncio.timeout(_PIECE_S):
                    message = await self._pieces.get()
            except TimeoutError:
                text = f"stream {self.snapshot.stream}: no piece of its snapshot within {_PIECE_S:g} s"
                raise DeadlineExceeded(text) from None
            if not message.data:
                status = (message.headers or {}).get("Status", "204")
                if status != "204":
                    text = (message.headers or {}).get("Description", status)
                    raise StreamError(f"stream {self.snapshot.stream}: snapshot: {text}")
                return
            yield message.data
            if message.reply:
                await self._connection.publish(message.reply, b"")


@asynccontextmanager
async def snapshot_of(
    connection: NatsConnection, stream: str, *, with_consumers: bool = True
) -> AsyncIterator[SnapshotReader]:
    """Begin a snapshot of a stream; its consumers, and how far each is, are in it unless they are left out.

    Raises:
        StreamMissing: there is no such stream. StreamError: refused. DeadlineExceeded, NotConnected: no answer.
    """
    pieces: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = connection.inbox()
    stop = await connection.subscribe(inbox, pieces.put_nowait)
    try:
        body: JsonObject = {
            "deliver_subject": inbox,
            "no_consumers": not with_consumers,
            "chunk_size": CHUNK_BYTES,
            "jsck": True,
        }
        answer = await api(connection, f"STREAM.SNAPSHOT.{stream}", body)
        yield SnapshotReader(connection, StreamSnapshot(stream, answer["config"], answer["state"]), pieces)
    finally:
        await stop()


async def restore_stream(connection: NatsConnection, snapshot: StreamSnapshot, pieces: AsyncIterable[bytes]) -> int:
    """Make the stream of a snapshot; how many messages it has then. Its name must be free.

    Raises:
        StreamError: there is a stream of that name, or the bytes are none of a snapshot.
        DeadlineExceeded, NotConnected: no answer; the server drops what it has of it.
    """
    body: JsonObject = {"config": snapshot.config, "state": snapshot.state}
    opened = await api(connection, f"STREAM.RESTORE.{snapshot.stream}", body)
    subject = str(opened["deliver_subject"])
    async for piece in pieces:
        for start in range(0, len(piece), CHUNK_BYTES):
            answer = await connection.request(subject, piece[start : start + CHUNK_BYTES], timeout_s=_PIECE_S)
            if answer.data:
                raise _refusal(snapshot.stream, answer.data)
    answer = await connection.request(subject, b"", timeout_s=_RESTORE_S)
    ended = json.loads(answer.data or b"{}")
    if "error" in ended:
        raise _refusal(snapshot.stream, answer.data)
    return int(ended.get("state", {}).get("messages", 0))


def _refusal(stream: str, data: bytes) -> StreamError:
    try:
        error = json.loads(data).get("error", {})
    except ValueError:
        return StreamError(f"stream {stream}: restore: {data[:200]!r}")
    return StreamError(
        f"stream {stream}: restore: {error.get('description', 'refused')}", int(error.get("err_code", 0))
    )


__all__ = ["SnapshotReader", "StreamSnapshot", "restore_stream", "snapshot_of"]
