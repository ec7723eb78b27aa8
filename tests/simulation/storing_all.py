"""What the pods of the pipeline have stored: ticks, bars and gaps, each once, and no watermark before its rows."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from marketprism_adapters.nats import streams
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import BAR, GAP
from marketprism_application.contracts.packed import decode_packed
from marketprism_application.ports.storage import Progress, StreamBounds
from marketprism_application.storage.writer import WriterHooks
from tests.simulation.failing_store import FailingStore
from tests.simulation.passing import Passing
from tests.simulation.streams import Stored, Stream
from tests.simulation.world import World

Row = tuple[Any, ...]
_PREFIXES = ("market.packed.", "market.bar.", "market.gap.")


def _rows_of(subject: str, data: bytes) -> list[Row]:
    """What a message is in the store."""
    if subject.startswith("market.packed."):
        return [("tick", tick.symbol, tick.source_seq) for tick in decode_packed(data).ticks]
    if subject.startswith("market.bar."):
        return [_bar(decode(BAR, data))]
    return [_gap(decode(GAP, data))]


def _bar(bar: Any) -> Row:
    return ("bar", bar.symbol, bar.interval, bar.ts_open, bar.revision)


def _gap(gap: Any) -> Row:
    return ("gap", gap.symbol, gap.ts_from, gap.ts_to, gap.cause)


class Hooks(WriterHooks):
    """Nothing is lost of these streams: whoever says so is wrong."""

    def __init__(self, world: World, stream: str) -> None:
        self._world, self._stream = world, stream

    async def truncated(self, wanted: int, bounds: StreamBounds) -> None:
        """A loss is named."""
        self._world.violate(f"{self._stream}: {wanted} to {bounds.first} is named as lost, and the stream has it")


class Storing:
    """Rows as they come into the store, and messages whose rows are still to come."""

    def __init__(self, world: World, store: FailingStore) -> None:
        self._world, self._store = world, store
        self.hooks: dict[str, WriterHooks] = {
            stream: Hooks(world, stream) for stream in (streams.TICKS, streams.BARS, streams.EVENTS)
        }
        self._rows: set[Row] = set()
        self._inserts = 0
        self._looked = {"tick": 0, "bar": 0, "gap": 0}
        self._open: dict[str, deque[tuple[int, list[Row]]]] = {stream: deque() for stream in self.hooks}
        world.checks.append(self.check)

    def stored(self, stream: Stream, message: Stored) -> None:
        """A stream has taken a message."""
        if stream.name == "KV_store_ranges":
            if message.data:
                self._watermark(message.subject.rpartition(".")[2], message.data)
        elif message.subject.startswith(_PREFIXES):
            self._open[stream.name].append((message.seq, _rows_of(message.subject, message.data)))

    def _watermark(self, stream: str, data: bytes) -> None:
        watermark = msgspec.msgpack.decode(data, type=Progress).watermark
        first = self._first_open(stream)
        if first is not None and first <= watermark:
            self._world.violate(f"the watermark of {stream} is {watermark}, message {first} is not in the store")

    def _first_open(self, stream: str) -> int | None:
        """The first message whose rows are not all in the store."""
        waiting = self._open[stream]
        while waiting and self._rows.issuperset(waiting[0][1]):
            waiting.popleft()
        return waiting[0][0] if waiting else None

    def check(self) -> str:
        """After each step: no row twice."""
        if self._inserts == self._store.store.inserts:
            return ""
        self._inserts, raw = self._store.store.inserts, self._store.store.raw
        for kind, looked in self._looked.items():
            rows = raw[kind]
            if looked == len(rows):
                continue
            for each in rows[looked:]:
                row = (
                    ("tick", each.symbol, each.source_seq)
                    if kind == "tick"
                    else (_bar if kind == "bar" else _gap)(each)
                )
                if row in self._rows:
                    return f"{row} is in the store twice"
                self._rows.add(row)
            self._looked[kind] = len(rows)
        return ""

    def missing(self) -> str:
        """What is still to be stored, in words."""
        for stream in self.hooks:
            if (first := self._first_open(stream)) is not None:
                return f"{stream}: message {first} is not in the store"
        return ""

    def wrong_at_end(self, passing: Passing) -> str:
        """What the store has, and the streams have not; and bars that are not in their last revision."""
        ticks = {("tick", symbol, tick.source_seq) for symbol, each in passing.ticks.items() for tick in each}
        if odd := {row for row in self._rows if row[0] == "tick"} ^ ticks:
            return f"store: {len(odd)} ticks are not in both, the stream and the store: {sorted(odd)[0]}"
        last = {(bar.symbol, bar.interval, bar.ts_open): bar for bar in self._store.store.newest("bar")}
        for key, revisions in passing.bars.items():
            if last.pop(key, None) != revisions[-1]:
                return f"store: bar {key} is not the last revision that was published"
        return f"store: bars that nobody published: {sorted(last)[0]}" if last else ""
