"""What a counter's connections miss: named where the instrument traded, and only there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from marketprism_adapters.counters.api.callback_queue import Callback
from marketprism_adapters.counters.api.library import Api
from marketprism_adapters.counters.live.login import Conversation
from marketprism_adapters.counters.simulated_front import Script, SimMd
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import at
from tests.integration.counters.test_ctp import source_of

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize(("back", "gap_from"), [("2020-08-04 08:50:00", None), ("2020-08-04 09:30:00", "09:00:00")])
async def test_a_front_that_is_shut_overnight_leaves_no_gap_unless_it_comes_back_late(
    fixtures: Path, tmp_path: Path, calendar: MarketCalendar, back: str, gap_from: str | None
) -> None:
    source = source_of(calendar, tmp_path, f"sim:{fixtures / 'ctp/ticks/AP010_20200803.csv.gz'}?silent=1")
    days = [
        await asyncio.to_thread(Script, f"sim:{fixtures / f'ctp/ticks/AP010_{day}.csv.gz'}", calendar)
        for day in ("20200803", "20200804")
    ]
    opened = source._open = Conversation(source._counter, lambda _: Api(object, object), source._skip)
    opened.fronts, opened.up = [SimMdOf(days[0])], {0}
    before, after = days[0].rows[-1][1], next(data for ts, data in days[1].rows if ts > at("2020-08-04 09:40:00"))
    for name, data, when in (
        ("depth", before, "2020-08-03 14:59:59"),
        ("front_disconnected", {"reason": 0x1001}, "2020-08-03 15:40:00"),
        ("front_connected", {}, back),
        ("login", {}, back),
        ("depth", after, "2020-08-04 09:40:01"),
        ("end", {}, back),
    ):
        opened.bridge.put(Callback("md", 0, name, data, {}, True, at(when)))
    gaps = [gap async for batch in source.stream({}) for _, gap in batch.gaps]
    assert [gap.ts_from for gap in gaps] == ([] if gap_from is None else [at(f"2020-08-04 {gap_from}")])


def SimMdOf(script: Script) -> Any:
    return type("Md", (SimMd,), {"script": script})()
