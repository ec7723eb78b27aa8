"""Alerts reach a person: real faults on a pipeline with Prometheus, Alertmanager and a receiver; none where all is well."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from marketprism_sdk.messaging import send_command
from marketprism_services.cli.options import settings_of
from marketprism_services.platform.nats_place import NatsPlace
from tests.e2e.program import ENVIRONMENT, PROGRAM
from tests.support import notification_places as places
from tests.support.notification_places import SECRET, HttpPlace
from tests.support.prometheus import tools

RESULTS = Path(__file__).parents[2] / "chaos" / "results"
QUIET_S = float(os.environ.get("CHAOS_QUIET_S", "90"))
WITHIN_S, SETTLE_S = 60.0, 180.0
SWITCH_S = 100.0  # Alertmanager repeats the switch each minute

pytestmark = pytest.mark.timeout(3600 + QUIET_S)


def pid_of(*words: str) -> int:
    """The one process whose command line has all of these words."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if all(word in command for word in words):
            found.append(int(path.parent.name))
    (pid,) = found
    return pid


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it was ended and started anew
            os.kill(pid, signal.SIGCONT)


@dataclass
class Bench:
    """A pipeline, what reached its receiver, and how long each alert took."""

    data_dir: Path
    place: HttpPlace
    took: dict[str, float] = field(default_factory=dict)

    def service(self, name: str) -> int:
        return pid_of(f" run {name} ", str(self.data_dir))

    async def hears(self, alert: str, within_s: float = WITHIN_S) -> None:
        """It is received, counted from now."""
        since, began = len(self.place.texts), time.monotonic()
        while f"firing: {alert}" not in "\n".join(self.place.texts[since:]):
            assert time.monotonic() - began < within_s, f"no {alert}, but {self.place.texts[since:]}"
            await asyncio.sleep(0.1)
        self.took[alert] = round(time.monotonic() - began, 1)
        print(f"{alert}: {self.took[alert]} s")

    async def ends(self, alert: str, since: int) -> None:
        async with asyncio.timeout(SETTLE_S):
            while f"resolved: {alert}" not in "\n".join(self.place.texts[since:]):
                await asyncio.sleep(0.2)

    async def query(self, expr: str) -> list[object]:
        url = (self.data_dir / "monitoring/prometheus/url").read_text()
        asked = {"query": expr}
        async with aiohttp.ClientSession() as http, http.get(f"{url}/api/v1/query", params=asked) as answer:
            found: list[object] = (await answer.json())["data"]["result"]
            return found

    async def gateway_epoch(self) -> float:
        """The number of the gateway's leadership, as Prometheus knows it."""
        found: list[Any] = await self.query('max(marketprism_lease_epoch_held{lease=~"gateway.*"})')
        return float(found[0]["value"][1]) if found else 0.0


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    tools()
    place = HttpPlace(places.webhook, (429, "slow down"))
    await place.start()
    given = {
        "PAGE_GROUP_S": "0.2",
        "TICKET_GROUP_S": "0.2",
        "DEADMAN_S": str(SWITCH_S),
        "WEBHOOK__URL": f"http://127.0.0.1:{place.port}/",
        "WEBHOOK__SIGNING_SECRET": SECRET,
    }
    environment = {**ENVIRONMENT, **{f"MARKETPRISM_NOTIFY__{name}": value for name, value in given.items()}}
    source = ("--source", "sim:days=1,seed=9,instruments=rb2505+ag2506+m2505", "--speed", "30")
    command = [*PROGRAM, "up", "--monitoring", *source, "--nats-port", "0", "--data-dir", str(tmp_path)]
    with (tmp_path.parent / "up.log").open("wb") as log:
        program = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        yield Bench(tmp_path, place)
    finally:
        program.terminate()
        await asyncio.to_thread(program.wait, 60)
        await place.stop()
    assert program.returncode == 0, (tmp_path.parent / "up.log").read_text()


async def test_every_drill_reaches_the_receiver_and_a_quiet_time_is_silent(bench: Bench) -> None:
    firing = 'ALERTS{alertstate="firing",alertname!="DeadMansSwitch"}'
    async with asyncio.timeout(120):
        while not (bench.data_dir / "monitoring/prometheus/url").exists() or not await bench.query("ALERTS"):
            await asyncio.sleep(0.5)
    await asyncio.sleep(QUIET_S)
    assert await bench.query(f"max_over_time({firing}[{int(QUIET_S)}s])") == []
    await _drill_a_frozen_service(bench, "validator")
    await _drill_a_frozen_service(bench, "storage")
    await _drill_a_dead_letter(bench)
    await _drill_a_broker_that_is_away(bench)
    await _drill_leaders_that_are_killed(bench)
    await _drill_a_monitoring_that_is_silent(bench)
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"quiet_s": QUIET_S, "seconds_to_receiver": bench.took}, indent=1)
    (RESULTS / "alert-drills.json").write_text(text, encoding="utf-8")


async def _drill_a_frozen_service(bench: Bench, name: str) -> None:
    since = len(bench.place.texts)
    with stopped(bench.service(name)):
        await bench.hears("InstanceDown")
    await bench.ends("InstanceDown", since)
    bench.took[f"InstanceDown of {name}"] = bench.took.pop("InstanceDown")


async def _drill_a_dead_letter(bench: Bench) -> None:
    settings = settings_of()
    connection = await NatsPlace.of(settings, bench.data_dir, "").open("drill")
    await send_command(connection, "gateway", "NobodyKnowsThis", {}, issuer="drill")
    await bench.hears("DeadLetters")
    await connection.close()


async def _drill_a_broker_that_is_away(bench: Bench) -> None:
    """Nothing can be kept meanwhile: it is said all the same. Who would start it again stands still."""
    with stopped(pid_of(" up --monitoring ", str(bench.data_dir))):
        os.kill(pid_of("nats-server", str(bench.data_dir)), signal.SIGKILL)
        await bench.hears("BrokerUnreachable")


async def _drill_leaders_that_are_killed(bench: Bench) -> None:
    async with asyncio.timeout(SETTLE_S):  # who was cut off has come back
        while await bench.query('ALERTS{alertname="BrokerUnreachable",alertstate="firing"}'):
            await asyncio.sleep(0.5)
    flapping = asyncio.create_task(bench.hears("LeaderFlapping", within_s=6 * 30 + WITHIN_S))
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


async def _drill_a_monitoring_that_is_silent(bench: Bench) -> None:
    """Nobody says anything any more, which is not the same as that all is well. Who would start it again stands still."""
    up, alertmanager = pid_of(" up --monitoring ", str(bench.data_dir)), pid_of("--storage.path", str(bench.data_dir))
    with stopped(up), stopped(alertmanager):
        await bench.hears("DeadMansSwitchMissing", within_s=SWITCH_S + WITHIN_S)
