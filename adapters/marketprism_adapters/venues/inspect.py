"""Recordings through the inspector, market by market."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from marketprism_adapters.venues.recorded import FRAME, VenueRecording, by_market, in_order
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.errors import SourceError
from marketprism_application.inspecting import Inspector


def inspect_recordings(paths: Sequence[Path], market: str = "") -> list[dict[str, Any]]:
    """A report for each market that the recordings are of.

    Raises:
        SourceError: a file is missing, unreadable, or of no known form.
    """
    found = by_market([VenueRecording(path, market) for path in paths])
    return [_inspect(name, recordings) for name, recordings in found.items()]


def _inspect(market: str, recordings: Sequence[VenueRecording]) -> dict[str, Any]:
    inspector = Inspector(MARKETS[market].make("", ""), f"inspect:{market}")
    for _, row in in_order(recordings):
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
