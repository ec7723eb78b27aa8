"""Recordings of venues as a source: the frames go through the same feed as live ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import structlog

from marketprism_adapters.venues.recordings.continuity import Run, runs_of
from marketprism_adapters.venues.recordings.discovery import recording_at
from marketprism_adapters.venues.recordings.line_formats import ANSWER, REFUSED, Recorded
from marketprism_adapters.venues.recordings.recording import VenueRecording, in_order
from marketprism_adapters.venues.recordings.replay_parts import END_RUN_NS, ReplayedFrames, ReplayPart, end_of, parts_of
from marketprism_application.contracts.book_view import BookView
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import Channel, FrameTap, SourceBatch, SourceTraits
from marketprism_application.replay.pace import Pacer
from marketprism_application.venues.feed import FeedSettings
from marketprism_application.venues.protocol import ParseRefused, RestRequest, read_answer
from marketprism_domain.events.pipeline import FrameRefused
from marketprism_domain.marketdata.instrument_record import InstrumentRecord

log = structlog.get_logger()

_CLOCK_NS = 100_000_000
_NAMED = 5


class _Row(NamedTuple):
    recording: VenueRecording
    part: ReplayPart
    row: Recorded


class _Chunk(NamedTuple):
    replayed: ReplayedFrames
    clock: int
    frames: dict[str, int]
    wait_s: float
    held: _Row | None
    ended: bool


class VenueReplay:
    """Fulfils `MarketSource`. `speed` None is as fast as the pipeline takes it.

    `market` and `partial` as of a `VenueRecording`. Of the paths that were only `found` in a folder, those that cannot
    be read are passed over, by name.
    """

    traits = SourceTraits(recording=True, counts_rows=True, paced=True, keeps_books=True)

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        speed: float | None = None,
        checked: bool = False,
        tap: FrameTap | None = None,
        market: str = "",
        partial: bool = False,
        batch_frames: int = 2_000,
        settings: FeedSettings | None = None,
        found: Collection[Path] = (),
    ) -> None:
        if not paths:
            raise SourceError("replay: expected at least one recording")
        self._paths = paths
        self._pacer = Pacer(speed)
        self._checked = checked
        self._tap = tap
        self._market = market
        self._partial = partial
        self._batch = batch_frames
        self._settings = settings
        self._found = found
        self._recordings: list[VenueRecording] = []
        self._runs: list[Run] = []
        self._parts: list[ReplayPart] = []
        self._reading = Lock()  # frames are taken in a thread, and books are asked for meanwhile
        self._instruments: dict[tuple[str, str], InstrumentRecord] = {}
        self.rows: dict[str, int] = {}
        self.skipped: dict[str, int] = {}

    async def connect(self) -> None:
        """Open every recording, and read it once through, so that what it holds is known before anything is sent."""
        await asyncio.to_thread(self._open)
        if not self._checked:
            await asyncio.to_thread(self._count)

    def _open(self) -> None:
        self._recordings = []
        for path in self._paths:
            try:
                recording = recording_at(path, self._market, partial=self._partial)
            except SourceError as error:
                if path not in self._found:
                    raise
                log.warning("recording.skipped", error=str(error))
                continue
            if recording.held.first or path not in self._found:
                self._recordings.append(recording)
            else:
                log.warning("recording.skipped", error=f"recording {path}: expected receive times, there are none")
        if not self._recordings:
            raise SourceError(f"recording {self._paths[0]}: expected at least one that can be read, found none")
        self._runs = runs_of(self._recordings)
        for recording in self._recordings:
            if recording.market_by == "assumed":
                log.warning("recording.market_assumed", recording=str(recording.path), assumed=recording.market)

    def _count(self) -> None:
        """What the whole run will bring: the same reading, with nobody to wait for."""
        parts = parts_of(self._runs, self._settings)
        rows = self._merged(parts)
        held: _Row | None = None
        clock = frames = 0
        while True:
            chunk = self._chunk(parts, rows, held, clock, Pacer(None), {})
            clock, held = chunk.clock, chunk.held
            frames += sum(chunk.frames.values())
            for tick in chunk.replayed.ticks:
                self.rows[tick.source] = self.rows.get(tick.source, 0) + 1
            if chunk.ended:
                break
        self._tell_skipped(parts)
        if not frames:
            raise SourceError(f"recording {self._paths[0]}: expected at least one frame, found none")

    def _tell_skipped(self, parts: Sequence[ReplayPart]) -> None:
        self.skipped = {}
        for part in parts:
            for reason, count in part.skipped.items():
                self.skipped[reason] = self.skipped.get(reason, 0) + count
        if self.skipped:
            examples = [text for part in parts for text in part.examples.values()]
            log.warning("recording.frames_skipped", reasons=self.skipped, first=examples[:_NAMED])

    def _merged(self, parts: Sequence[ReplayPart]) -> Iterator[_Row]:
        """What all recordings hold, by receive time; inside one file in its own order."""
        part_of = {
            (id(recording), run.venue.market): part
            for run, part in zip(self._runs, parts, strict=True)
            for recording in run.recordings
        }
        for recording, row in in_order(self._recordings):
            if not row.ts_recv and row.what != REFUSED:
                raise SourceError(
                    f"recording {recording.path}, line {row.line}: expected a receive time, there is none"
                )
            yield _Row(recording, part_of[id(recording), row.market or recording.market], row)

    def _take(self, recording: VenueRecording, part: ReplayPart, row: Recorded) -> None:
        feed = part.feed
        part.at(recording.path, row)
        if row.what == REFUSED:
            part.pass_over(row.path, row.host)
            return
        if self._tap is not None:
            channel = Channel(f"{part.venue.market}:{row.what}", f"venue.{part.venue.market}")
            self._tap.frame(channel, row.payload, row.ts_recv)
        if row.what != ANSWER:
            feed.on_frame(row.payload, row.ts_recv)
            return
        try:
            asked = RestRequest(row.path, row.parameters)
            answer = read_answer(part.venue, asked, row.payload, row.ts_recv, feed.parser)
        except ParseRefused as error:
            part.pass_over(error.reason, str(error))
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

    def read_over(self, known: Mapping[str, int]) -> None:
        """As `PacedSource` says: rows up to `known` are read without waiting for their time."""
        self._pacer.read_over(known)

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:  # noqa: ARG002 (ticks know it)
        """Batches in receive order, then one finished batch."""
        parts = self._parts = parts_of(self._runs, self._settings)
        rows = self._merged(parts)
        positions: dict[str, int] = {}
        held: _Row | None = None
        delivered: dict[str, int] = {}
        clock = 0
        while True:
            chunk = await asyncio.to_thread(self._chunk, parts, rows, held, clock, self._pacer, positions)
            clock, held = chunk.clock, chunk.held
            for source, count in chunk.frames.items():
                positions[source] = positions.get(source, 0) + count
            replayed = chunk.replayed
            for tick in replayed.ticks:
                delivered[tick.source] = delivered.get(tick.source, 0) + 1
            if any(replayed):
                yield SourceBatch(replayed.ticks, clock, dict(positions), replayed.gaps, messages=replayed.messages)
            if chunk.ended:
                break
            if chunk.wait_s > 0:
                await asyncio.sleep(chunk.wait_s)
        self.rows = delivered
        if self._checked:
            self._tell_skipped(parts)
        positions = {**dict.fromkeys(delivered, 1), **positions}
        gaps = [(0, end_of(tick, clock)) for part in parts for tick in part.last.values()]
        events = [
            FrameRefused(part.source, reason, text, part.skipped.get(reason, 1))
            for part in parts
            for reason, text in part.examples.items()
        ]
        yield SourceBatch([], clock + END_RUN_NS, dict(positions), gaps, finished=True, events=events)

    def _chunk(
        self,
        parts: Sequence[ReplayPart],
        rows: Iterator[_Row],
        held: _Row | None,
        clock: int,
        pacer: Pacer,
        positions: Mapping[str, int],
    ) -> _Chunk:
        """The next frames that are due, behind those at `positions`. Reading and parsing happen in a thread: heartbeats
        go on meanwhile."""
        chunk = _Chunk(ReplayedFrames([], [], []), clock, {}, 0.0, None, ended=True)
        taken = 0
        if held is not None:
            clock = self._one(held, parts, clock, chunk)
            taken = 1
        ended = True
        wait_s, kept = 0.0, None
        for each in rows:
            source = each.part.source
            at = positions.get(source, 0) + chunk.frames.get(source, 0) + 1
            wait_s = 0.0 if pacer.reads_over(source, at) else pacer.wait_s(each.row.ts_recv)
            if wait_s > 0 or taken >= self._batch:
                ended, kept = False, each
                break
            clock = self._one(each, parts, clock, chunk)
            taken += 1
        with self._reading:
            for part in parts:
                if ended:
                    part.feed.on_clock(clock + END_RUN_NS)
                part.gather(chunk.replayed)
        return chunk._replace(clock=clock, wait_s=wait_s, held=kept, ended=ended)

    def _one(self, each: _Row, parts: Sequence[ReplayPart], clock: int, chunk: _Chunk) -> int:
        recording, part, row = each
        with self._reading:
            self._take(recording, part, row)
            frames = chunk.frames
            frames[part.source] = frames.get(part.source, 0) + 1
            if row.ts_recv // _CLOCK_NS > clock // _CLOCK_NS:
                for other in parts:
                    if other.left > 0:
                        other.feed.on_clock(row.ts_recv)
            clock = max(clock, row.ts_recv)
            part.gather(chunk.replayed)
            holding = [other for other in parts if other.holds(recording)]
            for other in holding:
                other.left -= 1
            for other in holding:
                if not other.left and any(each.left > 0 for each in parts):
                    other.end(clock, chunk.replayed)
        return clock

    # -- books -------------------------------------------------------------------------------------------------------

    def book(self, venue: str, symbol: str, depth: int | None) -> BookView | None:
        """An instrument's book as it stands in the recording; `depth` None for every level that is known."""
        with self._reading:
            shown = [part.feed.books.show(symbol, depth) for part in self._parts if part.venue.name == venue]
        found = [each for each in shown if each is not None]
        return max(found, key=lambda each: each.ts_event, default=None)

    def figures(self) -> dict[str, float]:
        """Counts for metrics: none but those of every source."""
        return {}

    def streams(self) -> list[dict[str, object]]:
        """A recording has no streams to watch."""
        return []

    async def close(self) -> None:
        """Nothing stays open between two calls."""
