"""The connections of a source: which streams each of them carries, and what changes when other streams are wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from marketprism_adapters.venues.live.connection import Connection
from marketprism_application.venues.protocol import StreamKey, Venue

Streams = dict[str, StreamKey]


class Shards:
    """Connections in groups of `collectors` that carry the same streams, none more than the venue allows on one.

    `make(url, streams)` makes a connection; it runs as a task until its streams are wanted no more, or `close`.
    """

    def __init__(self, venue: Venue, collectors: int, make: Callable[[str, Streams], Connection]) -> None:
        self._venue = venue
        self._collectors = collectors
        self._make = make
        self._shards: list[list[Connection]] = []
        self._running: dict[Connection, asyncio.Task[None]] = {}
        self._wanted: dict[str, Streams] = {}  # by endpoint

    @property
    def connections(self) -> list[Connection]:
        """A copy of the list of all connections."""
        return list(self._running)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The task that runs each connection."""
        return list(self._running.values())

    async def change(self, keys: Sequence[StreamKey]) -> None:
        """From now on these streams and no others. One stream may serve several instruments: it ends with the last."""
        after: dict[str, Streams] = {}
        for group in self._venue.groups(keys):
            after.setdefault(group.url, {}).update(group.streams)
        before, self._wanted = self._wanted, after
        for url in before.keys() | after.keys():
            old, new = before.get(url, {}), after.get(url, {})
            gone = [name for name in old if name not in new]
            await self._drop(url, gone)
            self._rename(url, new)
            await self._place(url, {name: key for name, key in new.items() if name not in old})

    async def _drop(self, url: str, gone: Sequence[str]) -> None:
        for shard in [shard for shard in self._shards if shard[0].url == url]:
            mine = [name for name in gone if name in shard[0].streams]
            if mine and len(mine) == len(shard[0].streams):
                self._shards.remove(shard)
                await self._end(shard)
            elif mine:
                for connection in shard:
                    await connection.change({}, mine)

    def _rename(self, url: str, new: Mapping[str, StreamKey]) -> None:
        """A stream that serves several instruments stands for one that is still wanted."""
        for connection in self.connections:
            if connection.url == url:
                connection.streams.update((name, new[name]) for name in connection.streams.keys() & new.keys())

    async def _place(self, url: str, added: Streams) -> None:
        """Where there is room, else on connections of their own."""
        names = list(added)
        size = self._venue.limits.streams_per_connection
        for shard in self._shards:
            room = size - len(shard[0].streams)
            if shard[0].url == url and room > 0 and names:
                some, names = {name: added[name] for name in names[:room]}, names[room:]
                for connection in shard:
                    await connection.change(some, ())
        for start in range(0, len(names), size):
            some = {name: added[name] for name in names[start : start + size]}
            shard = [self._make(url, some) for _ in range(self._collectors)]
            self._shards.append(shard)
            self._running.update((connection, asyncio.ensure_future(connection.run())) for connection in shard)

    async def _end(self, connections: Sequence[Connection]) -> None:
        tasks = [self._running.pop(connection) for connection in connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Close every connection and wait for its end."""
        self._shards, self._wanted = [], {}
        await self._end(self.connections)
