"""Alerts reach a person: real faults on a pipeline with Prometheus, Alertmanager and a receiver; none where all is well."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from marketprism_sdk.messaging import send_command
from marketprism_services.cli.options import settings_of
from marketprism_services.platform.nats_place import NatsPlace
from tests.chaos.drill_bench import FIRING, SETTLE_S, SWITCH_S, WITHIN_S, Bench, bench_in, pid_of, starved, stopped

RESULTS = Path(__file__).parents[2] / "chaos" / "results"
QUIET_S = float(os.environ.get("CHAOS_QUIET_S", "90"))
WANTED = os.environ.get("CHAOS_DRILLS", "")  # names with commas between; all without
BEGIN_S = 60.0  # what belongs to a start is over

pytestmark = pytest.mark.timeout(3600 + QUIET_S)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_in(tmp_path) as made:
        yield made


async def test_every_drill_reaches_the_receiver_and_a_quiet_time_is_silent(bench: Bench) -> None:
    async with asyncio.timeout(120):
        while not (bench.data_dir / "monitoring/prometheus/url").exists() or not await bench.query("ALERTS"):
            await asyncio.sleep(0.5)
    await asyncio.sleep(BEGIN_S)
    await asyncio.sleep(QUIET_S)
    noise = [each["metric"] for each in await bench.query(f"max_over_time({FIRING}[{int(QUIET_S)}s])")]
    print(f"in {QUIET_S:g} quiet seconds: {noise or 'nothing'}", flush=True)
    failed: dict[str, str] = {}
    for name in WANTED.split(",") if WANTED else DRILLS:  # each of them: one that fails hides none
        try:
            await DRILLS[name](bench)
        except (AssertionError, OSError, TimeoutError) as error:
            failed[name] = f"{type(error).__name__}: {error}"[:2000]
            print(f"{name}: {failed[name]}", flush=True)
    found = {
        "quiet_s": QUIET_S,
        "fired_in_quiet": noise,
        "seconds_to_receiver": bench.took,
        "seconds_until_resolved": bench.resolved,
        "failed": failed,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "alert-drills.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    assert (noise, failed) == ([], {})


async def _silent_venue(bench: Bench) -> None:
    """Its sockets stay open, and nothing comes out of them."""
    await bench.until("marketprism_source_expected == 1")
    with stopped(bench.venue.pid):
        since = await bench.fires("FeedSilentInSession")
    await bench.ends("FeedSilentInSession", since)


async def _gaps(bench: Bench) -> None:
    """The venue breaks off in the middle of a word, and what it sent meanwhile nobody has."""
    bench.venue.kill()
    firing = asyncio.create_task(bench.fires("GapRateHigh"))
    await asyncio.sleep(5)
    bench.venue.start()
    await firing


async def _bad_ticks(bench: Bench) -> None:
    """A second source, whose ticks have crossed books and volumes that fall."""
    faults = "+".join(f"{fault}:8000" for fault in ("crossed", "volume_fall", "time_back", "limit"))
    async with bench.gateway(f"sim:days=1,seed=3,instruments=rb2505+m2505,faults={faults}", "--speed", "200"):
        await bench.until('marketprism_ticks_received_total{group="default"} > 0')
        await bench.fires("RejectedShare")


async def _lag(bench: Bench) -> None:
    """A stage gets too little of the processor while much is to be done: it is there, and does not keep up."""
    async with (
        bench.gateway("sim:days=1,seed=5,rate=20,instruments=ag2506", "--speed", "100"),
        starved(bench.service("aggregator")),
    ):
        await bench.until('rate(marketprism_ticks_validated_total{result="accepted"}[15s]) > 400')
        since = await bench.fires("StageLag")
    await bench.ends("StageLag", since)


async def _full_disk(bench: Bench) -> None:
    if not bench.disk.mounted:
        pytest.skip("no file system may be mounted here, so that no disk can be filled")
    with bench.disk.filled(leave_mb=10):
        since = await bench.fires("DiskAlmostFull")
    await bench.ends("DiskAlmostFull", since)


async def _certificate(bench: Bench) -> None:
    """What renews it has put one in place that ends in two days."""
    bench.authority.issue("desk", days=2)
    since = await bench.fires("CertificateExpires")
    bench.authority.issue("desk", days=90)
    await bench.ends("CertificateExpires", since)


async def _no_leader(bench: Bench) -> None:
    """Who would start it again stands still."""
    with stopped(bench.up):
        os.kill(bench.service("gateway"), signal.SIGKILL)
        since = await bench.fires("NoLeader")
    await bench.ends("NoLeader", since)


async def _frozen_services(bench: Bench) -> None:
    for name in ("validator", "storage"):
        with stopped(bench.service(name)):
            since = await bench.fires("InstanceDown", label=f"InstanceDown of {name}")
        await bench.ends("InstanceDown", since, label=f"InstanceDown of {name}")


async def _dead_letter(bench: Bench) -> None:
    connection = await NatsPlace.of(settings_of(), bench.data_dir, "").open("drill")
    await send_command(connection, "gateway", "NobodyKnowsThis", {}, group="okx", issuer="drill")
    await bench.fires("DeadLetters")
    await connection.close()


async def _broker_away(bench: Bench) -> None:
    """Nothing can be kept meanwhile: it is said all the same. Who would start it again stands still."""
    with stopped(bench.up):
        os.kill(pid_of("nats-server", str(bench.data_dir)), signal.SIGKILL)
        since = await bench.fires("BrokerUnreachable")
    await bench.ends("BrokerUnreachable", since)


async def _killed_leaders(bench: Bench) -> None:
    """Six kills in a row. Never are there two leaders."""
    async with asyncio.timeout(SETTLE_S):  # who was cut off has come back
        while await bench.query('ALERTS{alertname="BrokerUnreachable",alertstate="firing"}'):
            await asyncio.sleep(0.5)
    began = time.monotonic()
    flapping = asyncio.create_task(bench.fires("LeaderFlapping", within_s=6 * 30 + WITHIN_S))
    for _ in range(6):
        before = await bench.gateway_epoch()
        os.kill(bench.service("gateway"), signal.SIGKILL)
        async with asyncio.timeout(30):
            while await bench.gateway_epoch() <= before:  # started again, it leads again
                await asyncio.sleep(0.5)
    killed = time.monotonic()
    await flapping
    bench.took["LeaderFlapping"] = round(time.monotonic() - killed, 1)
    assert bench.took["LeaderFlapping"] < WITHIN_S
    lasted_s = int(time.monotonic() - began) + 1
    two = f'max_over_time(ALERTS{{alertstate="firing",alertname="TwoLeaders"}}[{lasted_s}s])'
    assert await bench.query(two) == []


async def _silent_monitoring(bench: Bench) -> None:
    """Nobody says anything any more, which is not the same as that all is well. Who would start it again stands still."""
    with stopped(bench.up), stopped(pid_of("--storage.path", str(bench.data_dir))):
        await bench.fires("DeadMansSwitchMissing", within_s=SWITCH_S + WITHIN_S)


DRILLS: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "certificate": _certificate,
    "disk": _full_disk,
    "lag": _lag,
    "quality": _bad_ticks,
    "venue": _silent_venue,
    "gap": _gaps,  # whose venue counts from one again, so that ticks are refused as well
    "leader": _no_leader,
    "frozen": _frozen_services,
    "command": _dead_letter,
    "broker": _broker_away,
    "flapping": _killed_leaders,
    "monitoring": _silent_monitoring,
}
