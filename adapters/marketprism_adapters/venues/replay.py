"""Recordings of venues as a source: the frames go through the same feed as live ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.venues.recorded import ANSWER, ENDINGS, Recorded, VenueRecording, by_market, in_order
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.messages import Message
from marketprism_application.errors import SourceError
from marketprism_application.pacing import Pacer
from marketprism_application.ports import Channel, FrameTap, SourceBatch
from marketprism_application.venue import ParseRefused, Venue
from marketprism_application.venue_feed import FeedSettings, VenueFeed
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.trading_days import utc_day_text
from marketprism_domain.values import NANOS_PER_MINUTE

_END_RUN_NS = 61_000_000_000
_CLOCK_NS = 100_000_000


def is_venue_recording(path: Path) -> bool:
    """Whether a file has the name of a venue's recording."""
    return path.name.endswith(ENDINGS)


class _Part(NamedTuple):
    """The recordings of one market, read as one stream."""

    venue: Venue
    feed: VenueFeed
    recordings: list[VenueRecording]


class _Chunk(NamedTuple):
    ticks: list[Tick]
    messages: list[Message]
    gaps: list[tuple[int, Gap]]
    clock: int
    frames: dict[str, int]
    wait_s: float
    held: tuple[_Part, Recorded] | None
    ended: bool


class VenueReplay:
    """Fulfils `MarketSource`. `speed` None is as fast as the pipeline takes it."""

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        speed: float | None = None,
        checked: bool = False,
        tap: FrameTap | None = None,
        market: str = "",
        batch_frames: int = 2_000,
        settings: FeedSettings | None = None,
    ) -> None:
        if not paths:
            raise SourceError("replay: expected at least one recording")
        self._paths = paths
        self._pacer = Pacer(speed)
        self._checked = checked
        self._tap = tap
        self._market = market
        self._batch = batch_frames
        self._settings = settings
        self._parts: list[_Part] = []
        self._instruments: dict[tuple[str, str], InstrumentRecord] = {}
        self.rows: dict[str, int] = {}
        self.skipped: dict[str, int] = {}

    async def connect(self) -> None:
        """Open every recording, and read it once through, so that what it holds is known before anything is sent."""
        recordings = await asyncio.to_thread(lambda: [VenueRecording(path, self._market) for path in self._paths])
        self._recordings = recordings
        if self._checked:
            return
        await asyncio.to_thread(self._count)

    def _count(self) -> None:
        """What the whole run will bring: the same reading, with nobody to wait for."""
        parts = self._open()
        rows = self._merged(parts)
        held: tuple[_Part, Recorded] | None = None
        clock = frames = 0
        while True:
            chunk = self._chunk(parts, rows, held, clock, Pacer(None))
            clock, held = chunk.clock, chunk.held
            frames += sum(chunk.frames.values())
            for tick in chunk.ticks:
                self.rows[tick.source] = self.rows.get(tick.source, 0) + 1
            if chunk.ended:
                break
        for part in parts:
            for reason, count in part.feed.refused.items():
                self.skipped[reason] = self.skipped.get(reason, 0) + count
        if not frames:
            raise SourceError(f"recording {self._paths[0]}: expected at least one frame, found none")

    def _open(self) -> list[_Part]:
        parts = []
        for market, recordings in by_market(self._recordings).items():
            venue = MARKETS[market].make("", "")
            source = f"replay:{recordings[0].name}"
            parts.append(_Part(venue, VenueFeed(venue, source, settings=self._settings), recordings))
        return parts

    def _merged(self, parts: Sequence[_Part]) -> Iterator[tuple[_Part, Recorded]]:
        """What all recordings hold, by receive time; inside one file in its own order."""
        part_of = {id(recording): part for part in parts for recording in part.recordings}
        for recording, row in in_order(self._recordings):
            if not row.ts_recv:
                raise SourceError(
                    f"recording {recording.path}, line {row.line}: expected a receive time, there is none"
                )
            yield part_of[id(recording)], row

    def _take(self, part: _Part, row: Recorded) -> None:
        feed = part.feed
        if self._tap is not None:
            channel = Channel(f"{part.venue.market}:{row.what}", f"venue.{part.venue.market}")
            self._tap.frame(channel, row.payload, row.ts_recv)
        if row.what != ANSWER:
            feed.on_frame(row.payload, row.ts_recv)
            return
        try:
            answer = part.venue.answer(row.path, row.parameters, row.payload, row.ts_recv, feed.parser)
        except ParseRefused as error:
            feed.refused[error.reason] = feed.refused.get(error.reason, 0) + 1
            return
        for instrument in answer.instruments:
            self._instruments[instrument.venue, instrument.symbol] = instrument
        for symbol, snapshot in answer.snapshots:
            if not feed.books.of(symbol).sync.valid:
                feed.books.on_snapshot(symbol, snapshot)
        for item in answer.items:
            feed.on_item(item)

    async def instruments(self) -> Sequence[InstrumentRecord]:
        """Those of the instrument lists that the recordings hold."""
        return list(self._instruments.values())

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:  # noqa: ARG002 (ticks know it)
        """Batches in receive order, then one finished batch."""
        parts = self._open()
        rows = self._merged(parts)
        positions: dict[str, int] = {}
        held: tuple[_Part, Recorded] | None = None
        last: dict[tuple[str, str], Tick] = {}
        delivered: dict[str, int] = {}
        clock = 0
        while True:
            chunk = await asyncio.to_thread(self._chunk, parts, rows, held, clock, self._pacer)
            clock, held = chunk.clock, chunk.held
            for source, count in chunk.frames.items():
                positions[source] = positions.get(source, 0) + count
            for tick in chunk.ticks:
                last[tick.venue, tick.symbol] = tick
                delivered[tick.source] = delivered.get(tick.source, 0) + 1
            if chunk.ticks or chunk.messages or chunk.gaps:
                yield SourceBatch(chunk.ticks, clock, dict(positions), chunk.gaps, messages=chunk.messages)
            if chunk.ended:
                break
            if chunk.wait_s > 0:
                await asyncio.sleep(chunk.wait_s)
        self.rows = delivered
        positions = {**dict.fromkeys(delivered, 1), **positions}
        gaps = [(0, _end_of(tick, clock)) for tick in last.values()]
        yield SourceBatch([], clock + _END_RUN_NS, dict(positions), gaps, finished=True)

    def _chunk(
        self, parts: Sequence[_Part], rows: Iterator[tuple[_Part, Recorded]],
        held: tuple[_Part, Recorded] | None, clock: int, pacer: Pacer,
    ) -> _Chunk:  # fmt: skip
        """The next frames that are due. Reading and parsing happen in a thread: heartbeats go on meanwhile."""
        ticks: list[Tick] = []
        messages: list[Message] = []
        gaps: list[tuple[int, Gap]] = []
        frames: dict[str, int] = {}
        taken = 0
        if held is not None:
            clock = self._one(*held, parts, clock, frames)
            taken = 1
        ended = True
        wait_s, kept = 0.0, None
        for part, row in rows:
            wait_s = pacer.wait_s(row.ts_recv)
            if wait_s > 0 or taken >= self._batch:
                ended, kept = False, (part, row)
                break
            clock = self._one(part, row, parts, clock, frames)
            taken += 1
            self._gather(part, ticks, messages, gaps)
        for part in parts:
            if ended:
                part.feed.on_clock(clock + _END_RUN_NS)
            self._gather(part, ticks, messages, gaps)
        return _Chunk(ticks, messages, gaps, clock, frames, wait_s, kept, ended)

    def _one(self, part: _Part, row: Recorded, parts: Sequence[_Part], clock: int, frames: dict[str, int]) -> int:
        self._take(part, row)
        frames[part.feed.source] = frames.get(part.feed.source, 0) + 1
        if row.ts_recv // _CLOCK_NS > clock // _CLOCK_NS:
            for each in parts:
                each.feed.on_clock(row.ts_recv)
        return max(clock, row.ts_recv)

    @staticmethod
    def _gather(part: _Part, ticks: list[Tick], messages: list[Message], gaps: list[tuple[int, Gap]]) -> None:
        collected = part.feed.collect()
        gaps.extend((len(ticks) + at, gap) for at, gap in collected.gaps)
        ticks.extend(collected.ticks)
        messages.extend(collected.messages)

    async def close(self) -> None:
        """Nothing stays open between two calls."""


def _end_of(tick: Tick, clock: int) -> Gap:
    """The minute in which a recording ends is not whole."""
    end = clock - clock % NANOS_PER_MINUTE + NANOS_PER_MINUTE
    return Gap(
        tick.venue, tick.symbol, tick.source.removesuffix(":quote"), 0, 0, end, clock, 0, max(tick.ts_event, 1), end,
        "recording_end", utc_day_text(tick.ts_event), "trade",
    )  # fmt: skip
