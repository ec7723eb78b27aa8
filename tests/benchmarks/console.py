"""The console in Chromium: how soon the first candle is there, frames at a rate of updates, and what it costs and holds.

Frames are those of the browser's own clock, processor time that of the renderer, memory what the page's objects take
after garbage was collected.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page

from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_application.contracts.subjects import subject_of
from marketprism_domain.values import BookLevel
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.platform.known_files import known_access, known_url
from tests.contract.test_codec import SAMPLES
from tests.support.browser import chromium
from tests.support.console import Site, running_site, viewer

SYMBOL, VENUE = "ru1901", "shfe"
_MINUTE = 60 * 10**9
_FRAMES = """(ms) => new Promise((done) => {
  const gaps = []; let before = 0;
  const end = performance.now() + ms;
  const frame = (now) => {
    if (before) gaps.push(now - before);
    before = now;
    if (now < end) requestAnimationFrame(frame); else done(gaps);
  };
  requestAnimationFrame(frame);
})"""


async def _publish(data: Path, rate: float, seconds: float) -> None:
    """Ticks of one instrument, and a bar a minute, as the validator and the aggregator publish them."""
    url = known_url(data)
    assert url is not None
    connections = [
        await NatsConnection.open(str(url), name="bench", access=known_access(data, user))
        for user in ("validator", "aggregator")
    ]
    ticks, bars = connections
    tick = SAMPLES[TICK.name]._replace(venue=VENUE, symbol=SYMBOL, epoch=1, phase="continuous", trading_day="20261130")
    bar = SAMPLES[BAR.name]._replace(
        venue=VENUE, symbol=SYMBOL, epoch=1, interval="1m", trading_day="20261130", gap=False
    )
    began, sent, closed = time.monotonic(), 0, time.time_ns() // _MINUTE
    while (passed := time.monotonic() - began) < seconds:
        while sent < passed * rate:
            sent += 1
            now, last = time.time_ns(), Decimal(12_000 + sent % 40 * 5)
            levels = [BookLevel(last - 5 * n, Decimal(1 + (sent + n) % 50)) for n in range(5)]
            asks = [BookLevel(last + 5 + 5 * n, Decimal(1 + (sent + 2 * n) % 50)) for n in range(5)]
            made = tick._replace(
                seq=sent,
                ts_event=now,
                ts_recv=now,
                ts_pub=now,
                last=last,
                volume=Decimal(sent),
                bids=tuple(levels),
                asks=tuple(asks),
            )
            await ticks.publish(subject_of(TICK, made), encode(TICK, made))
            if now // _MINUTE > closed:
                closed = now // _MINUTE
                whole = bar._replace(
                    seq=sent, ts_open=(closed - 1) * _MINUTE, ts_close=closed * _MINUTE, ts_event=closed * _MINUTE
                )
                await bars.publish(subject_of(BAR, whole), encode(BAR, whole))
        await asyncio.sleep(0.002)
    for each in connections:
        await each.close()


def _run(data: Path, rate: float, seconds: float) -> None:
    asyncio.run(_publish(data, rate, seconds))


@contextmanager
def _updates(site: Site, rate: float, seconds: float) -> Iterator[None]:
    process = get_context("spawn").Process(target=_run, args=(site.data, rate, seconds), daemon=True)
    process.start()
    try:
        yield
        if not process.is_alive():
            raise RuntimeError(f"updates: expected to go on, ended with {process.exitcode}")
    finally:
        process.terminate()
        process.join()


def _cpu_s() -> float:
    """Processor seconds that the browser's renderers have taken."""
    found = 0.0
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended, or is not yet waited for
            if "--type=renderer" in " ".join(each.cmdline()):
                found += sum(each.cpu_times()[:2])
    return found


def _frames(page: Page, seconds: float) -> dict[str, float]:
    before, began = _cpu_s(), time.monotonic()
    gaps = sorted(page.evaluate(_FRAMES, seconds * 1000))
    took = time.monotonic() - began
    return {
        "frames_per_second": round(len(gaps) / (sum(gaps) / 1000), 1),
        "p50_ms": round(statistics.median(gaps), 2),
        "p95_ms": round(gaps[int(len(gaps) * 0.95)], 2),
        "p99_ms": round(gaps[int(len(gaps) * 0.99)], 2),
        "renderer_cpu_percent": round(100 * (_cpu_s() - before) / took, 1),
    }


def _heap_mb(page: Page) -> float:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    found = session.send("Runtime.getHeapUsage")
    return round(float(found["usedSize"]) / 1e6, 2)


def _newest(site: Site) -> object:
    return site.ask(f"/bars/{SYMBOL}?interval=1m&last=1")[0]["ts_open"]


def measure_console(source: str, seconds: float = 20.0, minutes: float = 0.0) -> dict[str, Any]:
    """Frames at 200 and 2 000 updates a second; with `minutes` also what the page holds after so long at 2 000."""
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        with running_site(Path(folder) / "a", source) as site:
            site.until(lambda: len(site.ask(f"/bars/{SYMBOL}?interval=1m&last=200")) == 200)
            times = []
            for _ in range(5):
                with viewer(browser, site.base) as seen:
                    began = time.monotonic()
                    seen.page.goto(f"{site.base}/market/{VENUE}.{SYMBOL}")
                    seen.until("document.querySelector('mp-chart')?.drawn > 0")
                    times.append(time.monotonic() - began)
            result["first_candle_s"] = {"median": round(statistics.median(times), 3), "worst": round(max(times), 3)}
            site.until(lambda: _newest(site) == (time.sleep(3), _newest(site))[1])  # all of the recording is in
            with viewer(browser, site.base) as seen:
                seen.open(f"/market/{VENUE}.{SYMBOL}")
                seen.settle()
                result["idle"] = _frames(seen.page, seconds)
                for rate in (200, 2_000):
                    with _updates(site, rate, seconds + 15):
                        seen.page.wait_for_timeout(5_000)
                        result[f"at_{rate}"] = _frames(seen.page, seconds)
                if minutes:
                    with _updates(site, 2_000, minutes * 60 + 60):
                        seen.page.wait_for_timeout(30_000)
                        result["heap_mb"] = [_heap_mb(seen.page)]
                        for _ in range(int(minutes)):
                            seen.page.wait_for_timeout(60_000)
                            result["heap_mb"].append(_heap_mb(seen.page))
                problems = seen.problems
        result["problems"] = sorted(set(problems))
    return result


if __name__ == "__main__":
    print(measure_console(sys.argv[1]))
