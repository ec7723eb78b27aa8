"""The runs of a replay, each with a feed of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.venues.recordings.continuity import Run
from marketprism_adapters.venues.recordings.line_formats import Recorded, named_place
from marketprism_adapters.venues.recordings.recording import VenueRecording
from marketprism_application.contracts.venue_messages import Message
from marketprism_application.venues.feed import FeedSettings, VenueFeed
from marketprism_application.venues.protocol import Control, ParseRefused
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.trading_days import utc_day_text
from marketprism_domain.values import NANOS_PER_MINUTE

END_RUN_NS = 61_000_000_000


class ReplayedFrames(NamedTuple):
    """What frames came to, in order; a gap stands before the tick of its index."""

    ticks: list[Tick]
    messages: list[Message]
    gaps: list[tuple[int, Gap]]


class ReplayPart:
    """Recordings of one market that are read as one stream."""

    def __init__(
        self, run: Run, source: str, settings: FeedSettings | None, latest_source: dict[tuple[str, str], str]
    ) -> None:
        self._latest_source = latest_source  # instruments, and the source that told them last, of all parts
        self.venue = run.venue
        self.source = source
        self._ids = {id(recording) for recording in run.recordings}
        self.left = sum(recording.held.rows for recording in run.recordings)
        self.passed_over: dict[str, int] = {}
        self.examples: dict[str, str] = {}  # by reason, the first that was refused: its file, its line, what is wrong
        self._place: tuple[Path, Recorded] | None = None
        self.last: dict[tuple[str, str], Tick] = {}  # the newest tick of each instrument
        self.feed = VenueFeed(run.venue, source, settings=settings, on_control=self._control, on_refused=self._refused)

    def _control(self, control: Control, _: str) -> None:
        if control.what == "ignored":
            self.pass_over(control.text)

    def at(self, path: Path, row: Recorded) -> None:
        """The row that comes next, by which a refusal is named."""
        self._place = path, row

    def pass_over(self, reason: str, text: str = "") -> None:
        """Something that was recorded, and that nothing is made of; `text` of what is refused."""
        self.passed_over[reason] = self.passed_over.get(reason, 0) + 1
        if text:
            self._name(reason, text)

    def _refused(self, error: ParseRefused, _: str) -> None:
        self._name(error.reason, str(error))

    def _name(self, reason: str, text: str) -> None:
        if reason not in self.examples and self._place is not None:
            self.examples[reason] = named_place(*self._place, text)

    @property
    def skipped(self) -> dict[str, int]:
        """By reason, what is not told."""
        found = dict(self.passed_over)
        for reason, count in self.feed.refused.items():
            found[reason] = found.get(reason, 0) + count
        return found

    def holds(self, recording: VenueRecording) -> bool:
        """Whether the recording is one of its own."""
        return id(recording) in self._ids

    def gather(self, replayed: ReplayedFrames) -> None:
        """Add what has come together."""
        collected = self.feed.collect()
        gaps = [(len(replayed.ticks) + at, gap) for at, gap in collected.gaps]
        for at, tick in enumerate(collected.ticks, len(replayed.ticks)):
            key = tick.venue, tick.symbol
            if key not in self.last:
                known_by = self._latest_source.setdefault(key, self.source)
                self._latest_source[key] = self.source
                if known_by != self.source and tick.ts_event % NANOS_PER_MINUTE:
                    gaps.append((at, _begin_of(tick)))
            self.last[key] = tick
        replayed.gaps.extend(sorted(gaps, key=lambda each: each[0]))
        replayed.ticks.extend(collected.ticks)
        replayed.messages.extend(collected.messages)

    def end(self, clock: int, replayed: ReplayedFrames) -> None:
        """Its recordings are at their end while others go on: its books are not known from here on, and the minute in
        which it ends is not whole."""
        self.feed.on_clock(clock + END_RUN_NS)
        self.feed.books.lose_all("disconnected")
        self.gather(replayed)
        replayed.gaps.extend((len(replayed.ticks), end_of(tick, clock)) for tick in self.last.values())
        self.last.clear()


def parts_of(runs: Iterable[Run], settings: FeedSettings | None) -> list[ReplayPart]:
    """A feed for each run, with a source of its own."""
    parts: list[ReplayPart] = []
    names: dict[str, int] = {}
    latest_source: dict[tuple[str, str], str] = {}
    for run in runs:
        name = run.recordings[0].name
        names[name] = names.get(name, 0) + 1
        source = f"replay:{name}" if names[name] == 1 else f"replay:{name}-{names[name]}"
        parts.append(ReplayPart(run, source, settings, latest_source))
    return parts


def _begin_of(tick: Tick) -> Gap:
    """The minute in which a later recording begins is not whole."""
    start = tick.ts_event - tick.ts_event % NANOS_PER_MINUTE
    return Gap(
        tick.venue,
        tick.symbol,
        tick.source.removesuffix(":quote"),
        0,
        0,
        tick.ts_event,
        tick.ts_recv,
        0,
        start,
        tick.ts_event,
        "recording_end",
        utc_day_text(tick.ts_event),
        "trade",
    )


def end_of(tick: Tick, clock: int) -> Gap:
    """The minute in which a recording ends is not whole."""
    end = clock - clock % NANOS_PER_MINUTE + NANOS_PER_MINUTE
    return Gap(
        tick.venue,
        tick.symbol,
        tick.source.removesuffix(":quote"),
        0,
        0,
        end,
        clock,
        0,
        max(tick.ts_event, 1),
        end,
        "recording_end",
        utc_day_text(tick.ts_event),
        "trade",
    )
