"""Recordings through the inspector, market by market."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from marketprism_adapters.venues.recorded import FRAME, Recorded, VenueRecording
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.errors import SourceError
from marketprism_application.inspecting import Inspector


def inspect_recordings(paths: Sequence[Path], market: str = "") -> list[dict[str, Any]]:
    """A report for each market that the recordings are of.

    Raises:
        SourceError: a file is missing, unreadable, or of no known form.
    """
    by_market: dict[str, list[VenueRecording]] = {}
    for path in paths:
        recording = VenueRecording(path, market)
        by_market.setdefault(recording.market, []).append(recording)
    return [_inspect(name, recordings) for name, recordings in by_market.items()]


def _inspect(market: str, recordings: Sequence[VenueRecording]) -> dict[str, Any]:
    inspector = Inspector(MARKETS[market].make("", ""), f"inspect:{market}")
    for row in _in_order(recordings):
        if row.what == FRAME:
            inspector.on_frame(row.payload, row.ts_recv)
        else:
            inspector.on_answer(row.path, row.parameters, row.payload, row.ts_recv)
    report = inspector.report()
    if not report["frames"] and not report["answers"]:
        raise SourceError(f"recording {recordings[0].path}: expected frames, found none")
    lines: dict[str, int] = {}
    for recording in recordings:
        for reason, count in recording.skipped.items():
            lines[reason] = lines.get(reason, 0) + count
    return {**report, "lines_passed_over": lines}


def _in_order(recordings: Sequence[VenueRecording]) -> Iterator[Recorded]:
    """By receive time; inside one file in its own order."""

    def of(number: int, recording: VenueRecording) -> Iterator[tuple[int, int, Recorded]]:
        clock = 0
        for row in recording.rows():
            clock = max(clock, row.ts_recv)
            yield clock, number, row

    for _, _, row in heapq.merge(*(of(n, each) for n, each in enumerate(recordings)), key=lambda each: each[:2]):
        yield row
