"""A soak: the whole product under a steady load, sampled; what grows is found by its slope.

The verdict of a series is `grows` where there is a trend and all its likely slopes are above the bound, and `unknown`
where the samples are too few to say. docs/proof.md has the bounds.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_services.platform.catalogue import in_up
from tests.histories.generated_load import market_hours
from tests.histories.product import Product
from tests.histories.samples import Scrapes, of_process
from tests.histories.slopes import Bound, slope_of, verdict
from tests.support.clickhouse import serve_clickhouse

BOUNDS = {
    "rss_mb": Bound(10.0, 0.05, 12.0),
    "files": Bound(2.0, 0.05, 4.0),
    "threads": Bound(1.0, 0.05, 4.0),
    "tasks": Bound(4.0, 0.05, 10.0),
    "lag_messages": Bound(200.0, 0.10, 200.0),
    "lag_s": Bound(0.5, 0.10, 0.5),
    "store_lag_messages": Bound(1_000.0, 0.10, 1_000.0),
    "store_lag_s": Bound(1.0, 0.10, 1.0),
    "validation_delay_s": Bound(0.02, 0.20, 0.05),
    "bar_delay_s": Bound(0.2, 0.20, 0.5),
    "store_batch_s": Bound(0.1, 0.20, 0.2),
}
# Both keep what is streamed and stored until their own limits: how much that is, is said by those. `data_files`, which
# ClickHouse opens and closes as it merges, are written down and not judged.
SERVER_BOUNDS = {**BOUNDS, "rss_mb": Bound(300.0, 0.25, 300.0)}
SERVERS = ("nats-server", "clickhouse")
_EACH_S = 5.0

Series = dict[str, list[tuple[float, float]]]


def judge_soak(series: Series, *, warm_up_s: float) -> dict[str, Any]:
    """The verdict over every series `process.what`, as JSON has it: all of them `holds` but what is named."""
    found: dict[str, Any] = {}
    for name, samples in sorted(series.items()):
        process, _, what = name.rpartition(".")
        bound = (SERVER_BOUNDS if process in SERVERS else BOUNDS)[what]
        slope = slope_of(samples, warm_up_s=warm_up_s)
        found[name] = {
            "verdict": verdict(slope, bound),
            "bound_per_hour": None if slope is None else round(bound.of(slope), 4),
            **({} if slope is None else {key: round(value, 4) for key, value in asdict(slope).items()}),
        }
    grows = [name for name, each in found.items() if each["verdict"] == "grows"]
    unknown = [name for name, each in found.items() if each["verdict"] == "unknown"]
    return {"verdict": "grows" if grows else "holds", "grows": grows, "unknown": unknown, "series": found}


class Soak:
    """The product for so long."""

    def __init__(self, folder: Path, *, seconds: float, warm_up_s: float, instruments: int, rate: float) -> None:
        self._folder, self._seconds, self._warm_up_s = folder, seconds, warm_up_s
        self._instruments, self._rate = instruments, rate
        self._series: Series = defaultdict(list)
        self._scrapes: dict[str, Scrapes] = defaultdict(Scrapes)

    async def run(self) -> dict[str, Any]:
        """Sample it; the verdict, with what was measured of the load."""
        counts = dict.fromkeys(in_up(), 1)
        with serve_clickhouse(self._folder / "clickhouse") as (url, _):
            server = await EmbeddedServer.start(EmbeddedOptions(self._folder / "nats", port=0, max_store_gb=20))
            store = {"engine": "clickhouse", "url": url}
            product = Product(self._folder, server.url, store, counts, instruments=self._instruments, rate=self._rate)
            try:
                await product.start()
                servers: dict[str, tuple[int, Path | None]] = {"nats-server": (server.process.pid, None)}
                if (pid := await asyncio.to_thread(_clickhouse, os.getpid())) is not None:
                    servers["clickhouse"] = pid, (self._folder / "clickhouse").resolve()
                load = await self._sample(product, servers) | await self._given(product)
            finally:
                await product.close()
                await server.stop()
        verdict_ = judge_soak(self._series, warm_up_s=self._warm_up_s)
        return {
            "seconds": self._seconds,
            "warm_up_s": self._warm_up_s,
            "instruments": self._instruments,
            **load,
        } | verdict_

    async def _sample(self, product: Product, servers: dict[str, tuple[int, Path | None]]) -> dict[str, Any]:
        begun = time.monotonic()
        loads = []
        with (self._folder / "samples.jsonl").open("w", encoding="utf-8") as file:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=4)) as session:
                while (now := time.monotonic() - begun) < self._seconds:
                    for name, (pid, data) in servers.items():
                        self._keep(name, now, of_process(pid, data), file)
                    for name, child in product.children.items():
                        if not child.alive:
                            raise RuntimeError(f"{name}: ended with {child.process.returncode} in the soak")
                        found = of_process(child.pid)
                        try:
                            async with session.get(f"{product.endpoint(name)}/metrics") as answer:
                                found |= self._scrapes[name].take(await answer.text())
                        except (aiohttp.ClientError, TimeoutError, ValueError):
                            pass  # one sample less
                        self._keep(name, now, found, file)
                    loads.append(os.getloadavg()[0])
                    await asyncio.sleep(max(0.0, _EACH_S - (time.monotonic() - begun - now)))
        return {"samples": len(loads), "load_median": sorted(loads)[len(loads) // 2], "cores": os.cpu_count()}

    async def _given(self, product: Product) -> dict[str, Any]:
        """What came through: ticks, a second, and how long the market was open in them, faster than it is."""
        state = (await stream_info(product.connection, streams.TICKS))["state"]
        ticks = int(state["last_seq"])
        hours = await asyncio.to_thread(market_hours, ticks // self._instruments)
        return {"ticks": ticks, "ticks_per_s": round(ticks / self._seconds), "market_hours": round(hours, 2)}

    def _keep(self, name: str, now: float, values: dict[str, float], file: Any) -> None:
        for what, value in values.items():
            if what in BOUNDS:
                self._series[f"{name}.{what}"].append((now, value))
        file.write(json.dumps({"process": name, "t": round(now, 1), **values}) + "\n")


def _clickhouse(parent: int) -> int | None:
    """The server of this process, by its command."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                state = (folder / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                command = (folder / "cmdline").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            if int(state[1]) == parent and "clickhouse" in command.lower():
                return int(folder.name)
    return None


__all__ = ["BOUNDS", "Soak", "judge_soak"]
