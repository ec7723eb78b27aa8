"""The replay source: recordings as if they came in now."""

from __future__ import annotations

import asyncio
import glob
import heapq
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

from marketprism_adapters.counters.recordings.reader import Checked, Recording
from marketprism_adapters.counters.recordings.text_files import ENDINGS
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import FrameTap, SourceBatch, SourceTraits
from marketprism_application.replay.pace import Pacer, paced_batches
from marketprism_domain.events.pipeline import FrameRefused
from marketprism_domain.instruments.names import class_of, product_of
from marketprism_domain.instruments.sizes import size_of
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.sessions import Session

_END_RUN_NS = 61_000_000_000  # event time runs on so far behind the last section's end, past any grace
_END_GAP_NS = 60_000_000_000  # a recording that stops earlier before its section's end left something out


def _is_recording(path: Path) -> bool:
    return ENDINGS.search(path.name) is not None and not path.name.startswith(".")


def recording_paths(pattern: str) -> list[Path]:
    """Files of one part of `replay:`: a file, a folder (all recordings in it, sorted) or a glob."""
    path = Path(pattern).expanduser()
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if _is_recording(p))
    elif any(sign in pattern for sign in "*?[") and not path.exists():
        found = sorted(Path(name) for name in glob.glob(str(path)))  # noqa: PTH207 (absolute patterns)
    else:
        return [path]
    if not found:
        raise SourceError(f"replay {pattern!r}: expected recordings, found none")
    return found


def _terms(venue: str, symbol: str) -> InstrumentRecord:
    """What the code says of an instrument, and the table of contract sizes: a recording has no list."""
    size = size_of(venue, symbol)
    multiplier, step = (size.multiplier, size.price_tick) if size is not None else (None, None)
    product, class_ = product_of(symbol), class_of(symbol)
    return InstrumentRecord(venue, symbol, "replay", 0, 0, 0, 0, 0, product, class_, multiplier, step)


class ReplaySource:
    """Fulfils `MarketSource`. `speed` None is as fast as the pipeline takes it."""

    traits = SourceTraits(recording=True, counts_rows=True, paced=True)

    def __init__(
        self,
        paths: Sequence[Path],
        calendar: MarketCalendar,
        *,
        speed: float | None = None,
        batch_rows: int = 500,
        checked: bool = False,
        tap: FrameTap | None = None,
        whole_part: bool = False,
    ) -> None:
        if not paths:
            raise SourceError("replay: expected at least one recording")
        self._tap = tap
        self._paths = paths
        self._calendar = calendar
        self._pacer = Pacer(speed)
        self._batch_rows = batch_rows
        self._checked = checked
        self._whole_part = whole_part
        self._recordings: list[Recording] = []
        self.rows: dict[str, int] = {}
        self.skipped: dict[str, int] = {}
        self._known: dict[tuple[str, str], None] = {}

    async def connect(self) -> None:
        """Open every recording and read it once through, so that a bad one is refused before anything is sent."""
        self._recordings = await asyncio.to_thread(self._open)
        names = [recording.source for recording in self._recordings]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise SourceError(
                f"replay: expected recordings with different names, {twice.removeprefix('replay:')!r} twice"
            )
        if self._checked:
            first = await asyncio.to_thread(lambda: [next(recording.rows(), None) for recording in self._recordings])
            self._known.update({(tick.venue, tick.symbol): None for tick in first if tick is not None})
            return
        for recording in self._recordings:
            checked = await asyncio.to_thread(Checked, recording)
            self.rows[recording.source] = checked.rows
            for reason, count in checked.skipped.items():
                self.skipped[reason] = self.skipped.get(reason, 0) + count
            self._known.update(checked.instruments)

    def _open(self) -> list[Recording]:
        return [Recording(path, self._calendar, whole_part=self._whole_part) for path in self._paths]

    async def instruments(self) -> Sequence[InstrumentRecord]:
        """The instruments the recordings hold (all are known after a checked `connect`)."""
        return [_terms(venue, symbol) for venue, symbol in self._known]

    def read_over(self, known: Mapping[str, int]) -> None:
        """As `PacedSource` says: rows up to `known` are read without waiting for their time."""
        self._pacer.read_over(known)

    async def stream(self, after: Mapping[str, int]) -> AsyncIterator[SourceBatch]:
        """Every tick behind `after`, merged by receive clock, then one finished batch."""
        last: dict[tuple[str, str], Tick] = {}
        clock = 0

        def received() -> Iterator[Tick]:
            nonlocal clock
            for tick in heapq.merge(*(self._received(r) for r in self._recordings), key=lambda tick: tick.ts_recv):
                clock = tick.ts_recv
                if tick.ts_recv - tick.ts_event < _END_GAP_NS:
                    last[tick.venue, tick.symbol] = tick
                yield tick

        positions: dict[str, int] = {}
        async for ticks in paced_batches(received(), after, self._pacer, self._batch_rows):
            for tick in ticks:
                positions[tick.source] = tick.source_seq
            yield SourceBatch(ticks, ticks[-1].ts_recv, dict(positions))
        end, gaps = self._end(last, clock)
        events = [
            FrameRefused(recording.source, reason, recording.refused[0] if recording.refused else "", count)
            for recording in self._recordings
            for reason, count in recording.skipped.items()
        ]
        yield SourceBatch([], end, dict(positions), [(0, gap) for gap in gaps], finished=True, events=events)

    async def close(self) -> None:
        """Nothing stays open between two calls."""

    def _received(self, recording: Recording) -> Iterator[Tick]:
        """Ticks with a receive clock: the running maximum of event time.

        Rows before the first one inside a session were re-sent at login, shortly before it; they get its time.
        """
        held: list[Tick] = []
        clock = 0
        for tick in recording.rows(self._tap):
            if not clock and self._session(tick) is None:
                held.append(tick)
                continue
            if not clock:
                for early in held:
                    yield early._replace(ts_recv=tick.ts_event)
            clock = max(clock, tick.ts_event)
            yield tick if clock == tick.ts_event else tick._replace(ts_recv=clock)
        if not clock:
            for early in held:
                clock = max(clock, early.ts_event)
                yield early._replace(ts_recv=clock)

    def _session(self, tick: Tick) -> Session | None:
        return self._calendar.schedule(tick.venue, tick.symbol).place(tick.ts_event).session

    def _end(self, last: Mapping[tuple[str, str], Tick], clock: int) -> tuple[int, list[Gap]]:
        """Where event time runs to, and what the recording's end left out."""
        end, gaps = clock, []
        for (venue, symbol), tick in last.items():
            session = self._session(tick)
            if session is None or session.ts_close + _END_RUN_NS < clock:
                continue
            end = max(end, session.ts_close + _END_RUN_NS)
            if clock + _END_GAP_NS < session.ts_close:
                gaps.append(
                    Gap(
                        venue,
                        symbol,
                        tick.source,
                        0,
                        0,
                        session.ts_close,
                        clock,
                        0,
                        tick.ts_event,
                        session.ts_close,
                        "recording_end",
                        session.trading_day,
                    )
                )
        return end, gaps


__all__ = ["ReplaySource", "recording_paths"]
