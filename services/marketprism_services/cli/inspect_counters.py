"""What `marketprism inspect` shows of recordings of counters."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.table import Table

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.counters.recordings.inspection import inspected_counter
from marketprism_adapters.counters.recordings.replay import recording_paths
from marketprism_adapters.counters.recordings.text_files import ENDINGS
from marketprism_adapters.venues.recordings.archives import refuse_archive
from marketprism_adapters.venues.recordings.discovery import venue_files
from marketprism_application.errors import SourceError
from marketprism_services.cli.clocks import zone_of_venues
from marketprism_services.cli.options import out


def are_of_counters(patterns: list[str]) -> bool:
    """Whether none of the files is a recording of a venue, and some are tables that a counter's may be.

    Raises:
        SourceError: a pattern without files.
    """
    of_venues, _ = venue_files(patterns)
    if of_venues:
        return False
    try:
        paths = [path for pattern in patterns for path in recording_paths(pattern)]
    except SourceError:  # a folder that has none
        return False
    return all(ENDINGS.search(path.name) for path in paths)


def inspect_counters(patterns: list[str], *, partial: bool, as_json: bool) -> bool:
    """Print what the recordings hold; whether every row of them is a tick.

    Raises:
        SourceError: a file cannot be read, or is an archive that is known.
    """
    paths = [path for pattern in patterns for path in recording_paths(pattern)]
    for path in paths:
        refuse_archive(path)
    reports = inspected_counter(paths, chinese_calendar_of_markets(), partial=partial)
    ok = all(report["ok"] for report in reports)
    if as_json:
        json.dump({"recordings": [str(path) for path in paths], "counters": reports, "ok": ok}, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        for report in reports:
            _print(report)
    return ok


def _print(report: dict[str, Any]) -> None:
    title = f"{report['recording']}: {report['form']}"
    table = Table("symbol", "product", "class", "ticks", "from", "to", "trading days", title=title, box=None)
    table.title_justify = "left"
    for row in report["instruments"]:
        zone, days = zone_of_venues([row["venue"]], None), row["trading_days"]
        table.add_row(
            f"{row['venue']}.{row['symbol']}",
            row["product"],
            row["class"],
            str(row["ticks"]),
            zone.text(row["ts_from"])[:19],
            zone.text(row["ts_to"])[:19],
            days[0] if len(days) == 1 else f"{min(days)} - {max(days)}",
        )
    out.print(table)
    for reason, count in sorted(report["skipped"].items()):
        out.print(f"refused rows: {count} {reason}", highlight=False, markup=False, soft_wrap=True)
    for text in report["refused"]:
        out.print(text, highlight=False, markup=False, soft_wrap=True)
