"""The verdict of one run: what became of everything that was read."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from marketprism_adapters.nats.pipeline_probe import Progress
from marketprism_application.contracts.kinds import KINDS, VENUE_KINDS
from marketprism_client import MarketClient, QueryFailed
from marketprism_sdk.errors import SdkError
from marketprism_sdk.messaging import LeaderClient
from marketprism_sdk.nats.direct import count_from
from marketprism_services.monitor.pipeline_audit import problems_now
from marketprism_services.platform.local_stack import Running
from marketprism_services.storage.tally import RemoteTally

_ATTEMPTS = 60
_END = 2**63 - 1  # of any stream


async def verdict(running: Running, progress: Progress) -> dict[str, Any]:
    """What became of every tick: read, published, rejected, stored, read back; lost and doubled. Of the other kinds:
    published and stored. `problems` says what the reconciliation finds beside."""
    stored = {"stored": 0, "distinct_ticks": 0, "read_back": 0, "bars": 0}
    async with MarketClient(running.url) as market:
        for row in (await patiently(lambda: market.audit(running.sources))).to_pylist():
            for name in stored:
                stored[name] += int(row[name])
        tally = RemoteTally(LeaderClient(market._calls, "storage"))
        kinds = await _kinds(running, tally)
        problems, _ = await problems_now(running.probe, tally)
    rejected = sum(progress.rejected.values())
    read = sum(progress.rows.values()) if not running.rows else running.total
    bars = sum(progress.bars.values())
    missing = max(0, read - progress.accepted - rejected) + max(0, progress.accepted - stored["distinct_ticks"])
    doubled = max(0, stored["read_back"] - stored["distinct_ticks"]) + max(0, progress.accepted + rejected - read)
    lacking = sum(
        max(0, of["published"] - of["stored"] - of["set_aside"])
        for name, of in kinds.items()
        if "seq" in KINDS[name].order_by  # a running kline is one row, however often it was told
    )
    seconds = time.monotonic() - running.started
    return {
        "source": running.settings.source.spec,
        "ticks_read": read,
        "published": progress.accepted,
        "rejected": dict(sorted(progress.rejected.items())),
        "skipped": running.skipped or progress.skipped,
        "stale": progress.stale,
        "redelivered": progress.redelivered,
        "bars": {
            interval: progress.bars[interval]
            for interval in running.settings.bars.intervals
            if interval in progress.bars
        },
        "kinds": kinds,
        "bars_stored": stored["bars"],
        "rows_stored": stored["stored"],
        "rows_read_back": stored["read_back"],
        "duplicates": doubled + max(0, stored["bars"] - bars),
        "missing": missing + max(0, bars - stored["bars"]) + lacking,
        "problems": [problem.text for problem in problems],
        "seconds": round(seconds, 3),
        "ticks_per_second": round(read / seconds, 1),
        "restarts": running.supervisor.restarts,
        "ok": not (missing or doubled or lacking or problems or bars != stored["bars"]),
    }


async def _kinds(running: Running, tally: RemoteTally) -> dict[str, dict[str, int]]:
    """Messages of this run by kind, and how many of them have a row; kinds of which there are none are left out."""
    found: dict[str, dict[str, int]] = {}
    for kind in VENUE_KINDS:
        subject = re.sub(r"\{\w+\}", "*", kind.subject)
        published = await count_from(running.probe.connection, kind.stream, subject, running.data_from)
        if published:
            there = await tally.of(kind.name, running.data_from, _END)
            found[kind.name] = {"published": published, "stored": there.rows, "set_aside": there.dead}
    return found


async def patiently(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Answer of the read side, which may still be starting."""
    for attempt in range(_ATTEMPTS):
        try:
            return await ask()
        except (SdkError, QueryFailed):
            if attempt + 1 == _ATTEMPTS:
                raise
            await asyncio.sleep(0.5)
    raise AssertionError("unreachable")


def as_json(result: dict[str, Any]) -> str:
    """The one object that `--json` prints."""
    return json.dumps(result, indent=1)
