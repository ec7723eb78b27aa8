"""Recordings through the inspector, market by market, each run of recordings by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from marketprism_adapters.venues.recordings.continuity import Run, runs_of
from marketprism_adapters.venues.recordings.inspection_report import faults_of, merged
from marketprism_adapters.venues.recordings.line_formats import ANSWER, REFUSED, named_place
from marketprism_adapters.venues.recordings.recording import VenueRecording, in_order
from marketprism_application.inspection.inspector import Inspector


def inspected(recordings: Iterable[VenueRecording]) -> list[dict[str, Any]]:
    """A report for each market. `faults` says why it is not `ok`.

    Raises:
        SourceError: a file cannot be read any more.
    """
    by_market: dict[str, list[Run]] = {}
    for run in runs_of(recordings):
        by_market.setdefault(run.venue.market, []).append(run)
    return [_report(runs) for runs in by_market.values()]


def _report(runs: Sequence[Run]) -> dict[str, Any]:
    report = merged([_inspect(run) for run in runs])
    recordings = [recording for run in runs for recording in run.recordings]
    lines: dict[str, int] = {}
    for recording in recordings:
        for reason, count in recording.skipped.items():
            lines[reason] = lines.get(reason, 0) + count
    faults = faults_of(report)
    by = {recording.market_by for recording in recordings}
    return {
        **report,
        "lines_passed_over": lines,
        "market_by": "assumed" if "assumed" in by else ", ".join(sorted(by)),
        "runs": len(runs),
        "files": [_file(recording) for recording in recordings],
        "faults": faults,
        "ok": not faults,
    }


def _file(recording: VenueRecording) -> dict[str, Any]:
    held = recording.held
    return {
        "path": str(recording.path),
        "market_by": recording.market_by,
        "markets": sorted(recording.markets),
        "frames": held.frames,
        "answers": held.answers,
        "first": held.first,
        "last": held.last,
    }


def _inspect(run: Run) -> dict[str, Any]:
    market = run.venue.market
    inspector = Inspector(run.venue, f"inspect:{market}")
    for recording, row in in_order(run.recordings):
        if (row.market or recording.market) != market:
            continue
        known = len(inspector.examples)
        if row.what == ANSWER:
            inspector.on_answer(row.path, row.parameters, row.payload, row.ts_recv)
        elif row.what == REFUSED:
            inspector.on_refused(row.path, row.host)
        else:
            inspector.on_frame(row.payload, row.ts_recv)
        if len(inspector.examples) > known:
            for reason in list(inspector.examples)[known:]:
                inspector.examples[reason] = named_place(recording.path, row, inspector.examples[reason])
    return inspector.report()
