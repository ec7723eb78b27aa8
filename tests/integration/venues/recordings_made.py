"""Recordings that tests make up, and what is asked of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.venues.recordings.discovery import found_recordings
from marketprism_adapters.venues.recordings.inspection import inspected
from marketprism_adapters.venues.recordings.source import VenueReplay
from marketprism_application.replay.rebuild import Rebuilt, rebuild
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.ticks.rules import ValidationRules

T0 = 1_700_000_000_000  # milliseconds
SECOND = 1_000


def trade(at: int, number: int, symbol: str = "BTCUSDT", event: str = "aggTrade") -> dict[str, Any]:
    ids = {"a": number, "f": number, "l": number} if event == "aggTrade" else {"t": number}
    data = {"e": event, "E": at, "s": symbol, **ids, "p": "100.00000000", "q": "1.00000000", "T": at, "m": True}
    return {"stream": f"{symbol.lower()}@{event}", "data": {**data, "M": True}}


def depth(at: int, first: int, last: int, symbol: str = "BTCUSDT", price: str = "99.00000000") -> dict[str, Any]:
    data = {"e": "depthUpdate", "E": at, "s": symbol, "U": first, "u": last, "b": [[price, "1.00000000"]], "a": []}
    return {"stream": f"{symbol.lower()}@depth@100ms", "data": data}


def book(last_id: int, price: int = 99) -> dict[str, Any]:
    bids, asks = [[f"{price}.00000000", "2.00000000"]], [[f"{price + 2}.00000000", "2.00000000"]]
    return {"lastUpdateId": last_id, "bids": bids, "asks": asks}


def lines(*rows: tuple[int, dict[str, Any]], spaced: bool = False) -> bytes:
    """hftbacktest's lines of (milliseconds, frame)."""
    between = (", ", ": ") if spaced else (",", ":")
    return b"".join(b"%d %b\n" % (at * 1_000_000, json.dumps(row, separators=between).encode()) for at, row in rows)


def hour(start: int = T0, first: int = 1, symbol: str = "BTCUSDT") -> list[tuple[int, dict[str, Any]]]:
    """A snapshot, then updates and trades that follow it."""
    found = [(start, book(first - 1))]
    for n in range(20):
        at = start + n * SECOND
        found += [(at + 1, depth(at + 1, first + n, first + n, symbol)), (at + 2, trade(at + 2, first + n, symbol))]
    return found


def inspect_recordings(paths: Sequence[Path], market: str = "") -> list[dict[str, Any]]:
    """As the command does."""
    return inspected(found_recordings(map(str, paths), market).recordings)


def report_of(*paths: Path, market: str = "") -> dict[str, Any]:
    (report,) = inspect_recordings(paths, market)
    return report


def row_of(report: dict[str, Any], symbol: str, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in report["streams"] if (row["symbol"], row["kind"]) == (symbol, kind))
    return found


def gaps_of(report: dict[str, Any]) -> int:
    return sum(row["sequence_gaps"] for row in report["streams"])


def at(fixtures: Path, *names: str) -> list[Path]:
    paths = [fixtures / name for name in names]
    for path in paths:
        if not path.exists():
            pytest.skip(f"no recording {path} in the fixtures")
    return paths


async def rebuilt(*paths: Path) -> tuple[Rebuilt, list[Gap], VenueReplay]:
    source = VenueReplay(paths)
    await source.connect()
    gaps = [gap async for batch in source.stream({}) for _, gap in batch.gaps]
    made = await rebuild(
        source.stream({}), chinese_calendar_of_markets(), bars=BarSettings(("1m",)), rules=ValidationRules()
    )
    return made, gaps, source
