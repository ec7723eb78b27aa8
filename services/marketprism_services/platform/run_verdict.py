"""The verdict of a pipeline that is up: its counts are read where they lie, and judged."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from marketprism_adapters.remote.tally import RemoteTally
from marketprism_application.contracts.kinds import VENUE_KINDS
from marketprism_application.monitoring.progress import Progress
from marketprism_application.monitoring.verdict import KindCount, Run, Stored, verdict_of
from marketprism_client import MarketClient, QueryFailed
from marketprism_sdk.errors import SdkError
from marketprism_sdk.messaging import LeaderClient, NatsBus, RpcClient
from marketprism_sdk.nats.direct import count_from
from marketprism_services.monitor.pipeline_audit import problems_now
from marketprism_services.platform.local_stack import Running
from marketprism_services.platform.patience import patiently

_ATTEMPTS = 60
_END = 2**63 - 1  # of any stream
_AUDITED = {"rows": "stored", "distinct_ticks": "distinct_ticks", "read_back": "read_back", "bars": "bars"}


async def verdict(running: Running, progress: Progress) -> dict[str, Any]:
    """What became of everything that the run has read, see `verdict_of`."""
    async with MarketClient(running.url) as market:
        audited = (await once_it_answers(lambda: market.audit(running.sources))).to_pylist()
        tally = RemoteTally(LeaderClient(RpcClient(NatsBus(running.connection)), "storage"))
        kinds = await _kinds(running, tally)
        problems, _ = await problems_now(running.probe, tally)
    stored = Stored(**{name: sum(int(row[column]) for row in audited) for name, column in _AUDITED.items()})
    run = Run(
        running.settings.source.spec,
        running.rows,
        running.skipped,
        running.settings.bars.intervals,
        running.supervisor.restarts,
        time.monotonic() - running.started,
    )
    return verdict_of(run, progress, stored, kinds, [problem.text for problem in problems])


async def _kinds(running: Running, tally: RemoteTally) -> dict[str, KindCount]:
    """Messages of this run by kind, and how many of them have a row; kinds of which there are none are not in it."""
    found: dict[str, KindCount] = {}
    for kind in VENUE_KINDS:
        subject = re.sub(r"\{\w+\}", "*", kind.subject)
        published = await count_from(running.probe.connection, kind.stream, subject, running.data_from)
        if published:
            there = await tally.of(kind.name, running.data_from, _END)
            found[kind.name] = KindCount(published, there.rows, there.dead)
    return found


async def once_it_answers(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Answer of the read side, which may still be starting."""
    return await patiently(ask, lambda error: isinstance(error, SdkError | QueryFailed), _ATTEMPTS)


def as_json(result: dict[str, Any]) -> str:
    """The one object that `--json` prints."""
    return json.dumps(result, indent=1)


__all__ = ["as_json", "once_it_answers", "verdict"]
