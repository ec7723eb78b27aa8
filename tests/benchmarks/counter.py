"""A gateway of a counter with NATS behind it: how many instruments it lists, subscribes and bears."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.counters.live.settings import Counter, CounterSettings
from marketprism_adapters.counters.live.source import CtpSource
from marketprism_adapters.counters.simulated_front import simulated
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer, choose_port
from marketprism_domain.events.registry import AllInstrumentsSubscribed
from marketprism_sdk.testing import Child
from marketprism_sdk.urls import Url
from marketprism_services.cli.options import settings_of
from marketprism_services.platform import run_files
from tests.conftest import FIXTURES

LISTS = {
    "ctp": FIXTURES / "ctp/reference/ctp_instruments_20250813.csv.gz",
    "sopt": FIXTURES / "sopt/sopt_instruments_20250813.csv.gz",
}
_ENV = {"PYTHONPATH": os.pathsep.join(sys.path)}


async def _front(*options: str) -> tuple[Child, str, list[dict[str, Any]]]:
    told: list[dict[str, Any]] = []
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def hear(_: Child, line: dict[str, Any]) -> None:
        told.append(line)
        if line.get("event") == "listening":
            listening.set_result(str(line["front"]))

    command = [sys.executable, "-m", "marketprism_services", "front", *options, "--port", "0"]
    child = Child(command, hear, name="front", env=_ENV)
    await child.start()
    async with asyncio.timeout(60):
        return child, await listening, told


async def loading(venue: str) -> dict[str, Any]:
    """Seconds until the whole list is there, and until everything of it is subscribed, a thousand a second."""
    front, address, told = await _front(str(LISTS[venue]), "--crowd", "1", "--rate", "1", "--seconds", "120")
    calendar = chinese_calendar_of_markets()
    with tempfile.TemporaryDirectory() as folder:
        settings = CounterSettings((address,), "9999", "user", td_fronts=(address,))
        source = CtpSource(
            Counter(venue, settings, Path(folder)), calendar, lambda spec: simulated(spec, calendar, venue=venue)
        )
        started = time.perf_counter()
        await source.connect()
        loaded = time.perf_counter() - started
        count, subscribed = len(await source.instruments()), 0.0
        async for batch in source.stream({}):
            if any(isinstance(event, AllInstrumentsSubscribed) for event in batch.events):
                subscribed = time.perf_counter() - started - loaded
                break
        await source.close()
    front.kill()
    await front.end()
    cut = [line for line in told if line.get("event") == "left" and line.get("reason") != "left"]
    return {"instruments": count, "load_s": round(loaded, 2), "subscribe_s": round(subscribed, 2), "cut": len(cut)}


async def load(ticks_per_s: float, seconds: float, instruments: int = 20_000) -> dict[str, Any]:
    """One gateway process, one front process, one nats-server; what waited at most, and what was dropped. The load
    grows for the first 20 s, while a thousand instruments a second are subscribed."""
    rate = ticks_per_s / instruments
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = await EmbeddedServer.start(EmbeddedOptions(folder, port=0))
        front, address, told = await _front(
            str(LISTS["ctp"]),
            "--crowd",
            str(instruments),
            "--rate",
            f"{rate:g}",
            "--seconds",
            f"{seconds + instruments / 1_000:g}",
        )
        given, port = settings_of(), choose_port(0)
        counter = replace(given.ctp, md_fronts=(address,), td_fronts=(address,), user="bench")
        settings = given.model_copy(
            update={
                "nats": replace(given.nats, url=Url(server.url)),
                "ctp": counter,
                "data_dir": folder / "data",
                "source": given.source.model_copy(update={"spec": "ctp"}),
                "http": given.http.model_copy(update={"gateway": port}),
                "log": given.log.model_copy(update={"level": "error"}),
            }
        )
        config = folder / "settings.json"
        run_files.write_whole(config, settings)
        command = [sys.executable, "-m", "marketprism_services", "run", "gateway", "--config", str(config)]
        gateway = Child(command, lambda _c, _t: None, env=_ENV)
        await gateway.start()
        end = time.monotonic() + seconds * 3 + 120
        while time.monotonic() < end and not any(line.get("event") in ("end", "left") for line in told):
            await asyncio.sleep(0.2)
        began = next((line["t"] for line in told if line.get("event") == "begun"), time.time_ns())
        ended = next((line["t"] for line in told if line.get("event") in ("end", "left")), time.time_ns())
        await asyncio.sleep(2.0)
        metrics = await _metrics(port)
        for child in (gateway, front):
            child.kill()
            await child.end()
        await server.stop()
    why = [line["reason"] for line in told if line.get("event") == "left"]
    took = (ended - began) / 1e9
    sent = next((line["rows"] for line in told if line.get("event") == "end"), 0)
    return {
        "asked_ticks_per_s": ticks_per_s,
        "sent_ticks_per_s": round(sent / took) if took else 0,
        "published": metrics.get("marketprism_ticks_received_total", 0),
        "dropped": metrics.get("marketprism_source_ticks_dropped_total", 0),
        "leases": metrics.get("marketprism_leases_acquired_total", 0),
        "deepest": metrics.get("marketprism_source_queue_deepest", 0),
        "cut": why,
        "worst_stall_s": round(metrics.get("marketprism_event_loop_worst_stall_seconds", 0), 3),
    }


async def _metrics(port: int) -> dict[str, float]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/metrics") as response:
        text = await response.text()
    found = re.findall(r"^(\w+)(?:\{[^}]*\})? ([0-9.e+]+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def measure_counter() -> dict[str, Any]:
    """Everything about counters; {} where the lists of instruments are not there."""
    if not LISTS["ctp"].exists():
        return {}
    rates = (20_000, 30_000, 40_000)
    return {
        **{f"load_{venue}": asyncio.run(loading(venue)) for venue in LISTS},
        "gateway": [asyncio.run(load(rate, 15.0)) for rate in rates],
    }


if __name__ == "__main__":
    print(json.dumps(measure_counter(), indent=1))
