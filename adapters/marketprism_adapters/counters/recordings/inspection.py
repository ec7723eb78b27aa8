"""What a recording of a counter holds: ticks of each instrument, from when to when, and the rows that are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_domain.instruments.names import class_of, product_of
from marketprism_domain.sessions.calendar import MarketCalendar


def inspected_counter(
    paths: Sequence[Path], calendar: MarketCalendar, *, partial: bool = False
) -> list[dict[str, Any]]:
    """A report a file, as plain values: `recording`, `form`, `instruments` (each with its ticks and bounds in
    nanoseconds UTC), `skipped` by reason, the first `refused` rows by number, column and value, and `ok`.

    Raises:
        SourceError: a file cannot be read.
    """
    return [_report(Recording(path, calendar, whole_part=partial)) for path in paths]


def _report(recording: Recording) -> dict[str, Any]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for tick in recording.rows():
        row = found.get((tick.venue, tick.symbol))
        if row is None:
            row = found[tick.venue, tick.symbol] = {
                "venue": tick.venue,
                "symbol": tick.symbol,
                "product": product_of(tick.symbol),
                "class": class_of(tick.symbol),
                "ticks": 0,
                "ts_from": tick.ts_event,
                "ts_to": tick.ts_event,
                "trading_days": [],
            }
        row["ticks"] += 1
        row["ts_from"], row["ts_to"] = min(row["ts_from"], tick.ts_event), max(row["ts_to"], tick.ts_event)
        if tick.trading_day not in row["trading_days"]:
            row["trading_days"].append(tick.trading_day)
    return {
        "recording": str(recording.path),
        "form": recording.form,
        "instruments": [found[key] for key in sorted(found)],
        "skipped": dict(recording.skipped),
        "refused": list(recording.refused),
        "ok": bool(found) and not recording.skipped,
    }


__all__ = ["inspected_counter"]
