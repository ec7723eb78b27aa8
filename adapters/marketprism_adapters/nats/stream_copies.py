"""StreamCopies on a NATS server: streams and buckets by the server's own snapshots, messages read to compare them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from marketprism_application.contracts.backup_records import JsonObject
from marketprism_application.ports.backup import StreamState, TakenStream
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import Held, some_of
from marketprism_sdk.nats.jetstream import api, leader_info
from marketprism_sdk.nats.snapshots import StreamSnapshot, restore_stream, snapshot_of

_PAGE = 500
_TTL = "Nats-TTL"
# What the server adds to a message when it is got by itself.
_OF_THE_ANSWER = frozenset(
    f"Nats-{name}" for name in ("Stream", "Subject", "Sequence", "Time-Stamp", "Num-Pending", "Last-Sequence")
)


class NatsStreamCopies:
    """Fulfils `StreamCopies`."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    async def names(self) -> Sequence[str]:
        """As the server lists them, a page at a time."""
        found: list[str] = []
        while True:
            answer = await api(self._connection, "STREAM.NAMES", {"offset": len(found)})
            page = answer.get("streams") or []
            found += page
            if not page or len(found) >= int(answer.get("total", 0)):
                return sorted(found)

    async def state(self, stream: str) -> StreamState:
        """As the server describes it."""
        info = await leader_info(self._connection, stream)
        state = info["state"]
        return StreamState(
            str(info["created"]),
            int(state["first_seq"]),
            int(state["last_seq"]),
            int(state["messages"]),
            int(state.get("num_deleted", 0)),
            bool(info["config"].get("allow_direct")),
        )

    async def digests(self, stream: str, first: int, last: int) -> AsyncIterator[tuple[int, bytes]]:
        """By direct gets in batches."""
        at = first
        while at <= last:
            some = await some_of(self._connection, stream, ">", at, _PAGE)
            for held in some:
                if held.seq <= last and _TTL not in held.headers:
                    yield held.seq, _digest(held)
            if not some or not some[-1].more:
                return
            at = some[-1].seq + 1

    @asynccontextmanager
    async def take(self, stream: str) -> AsyncIterator[TakenStream]:
        """By the server's snapshot."""
        async with snapshot_of(self._connection, stream) as reader:
            yield TakenStream(reader.snapshot.config, reader.snapshot.state, reader)

    async def restore(
        self, stream: str, config: JsonObject, state: JsonObject, pieces: AsyncIterable[bytes], *, ageless: bool = False
    ) -> None:
        """By the server's restore; the limit of age is left out until `let_age`, where it is to be ageless."""
        there: JsonObject = {**config, "max_age": 0} if ageless else dict(config)
        await restore_stream(self._connection, StreamSnapshot(stream, there, state), pieces)

    async def let_age(self, stream: str, config: JsonObject) -> None:
        """By an update, where the configuration has an age."""
        if config.get("max_age"):
            await api(self._connection, f"STREAM.UPDATE.{stream}", dict(config))


def _digest(held: Held) -> bytes:
    digest = hashlib.sha256(f"{held.subject}\n{held.ts}\n".encode())
    for name, value in sorted(held.headers.items()):
        if name not in _OF_THE_ANSWER:
            digest.update(f"{name}:{value}\n".encode())
    digest.update(b"\n" + held.data)
    return digest.digest()[:16]


__all__ = ["NatsStreamCopies"]
