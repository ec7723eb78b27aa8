"""Two notifiers that are killed again and again while notices are due, and what reached their receiver."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import subprocess
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.local_server import choose_port
from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.service import die_with_parent
from tests.e2e.program import ENVIRONMENT, PROGRAM
from tests.support import notification_places as places
from tests.support.notification_places import SECRET, HttpPlace

_POST_S = 0.05  # between two alerts
_ANSWER_S = 0.03  # as long as a place takes that is not on this machine
_SETTLE_S = 60.0


@dataclass
class Delivered:
    """What was answered with 200, and how often each of it was received."""

    accepted: list[str] = field(default_factory=list)
    received: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    repeated_messages: int = 0

    @property
    def lost(self) -> list[str]:
        return [name for name in self.accepted if not self.received[name]]

    @property
    def repeated(self) -> dict[str, int]:
        return {name: count for name, count in self.received.items() if count > 1}

    def take(self, text: str) -> None:
        """One message as it was received."""
        names = [notice["name"] for notice in json.loads(text)["notices"] if notice["kind"] == "firing"]
        self.messages += 1
        self.repeated_messages += any(self.received[name] for name in names)
        self.received.update(names)

    def summary(self, kills: int) -> dict[str, object]:
        return {
            "kills": kills,
            "alerts": len(self.accepted),
            "messages": self.messages,
            "lost": len(self.lost),
            "received_more_than_once": len(self.repeated),
            "most_often": max(self.received.values(), default=0),
            "messages_with_a_repeat": self.repeated_messages,
        }


class _Notifier:
    def __init__(self, nats_url: str, environment: Mapping[str, str], log: Path) -> None:
        self.port = choose_port(0)
        self._log = log
        self._command = [*PROGRAM, "run", "notifier", "--nats-url", nats_url]
        self._environment = {**environment, "MARKETPRISM_HTTP__NOTIFIER": str(self.port)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                env=self._environment,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 (one prctl call)
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def ready(self, http: aiohttp.ClientSession) -> None:
        """It takes alerts in."""
        async with asyncio.timeout(60):
            while True:
                with suppress(aiohttp.ClientError, OSError):
                    async with http.get(f"http://127.0.0.1:{self.port}/health/ready") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)


async def _post(
    http: aiohttp.ClientSession, notifiers: list[_Notifier], delivered: Delivered, stop: asyncio.Event
) -> None:
    """Alerts as Alertmanager posts them: each again, to either of the two, until one has answered 200."""
    for number in itertools.count():
        if stop.is_set():
            return
        name = f"Alert{number:05d}"
        body = {
            "version": "4",
            "alerts": [
                {
                    "status": "firing",
                    "labels": {"alertname": name, "severity": "page"},
                    "annotations": {"summary": "drill"},
                    "startsAt": "2027-01-15T08:00:00Z",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "fingerprint": f"f-{name}",
                }
            ],
        }
        for attempt in itertools.count(number):
            port = notifiers[attempt % 2].port
            with suppress(aiohttp.ClientError, OSError):
                async with http.post(f"http://127.0.0.1:{port}/alerts", json=body) as answer:
                    if answer.status == 200:
                        delivered.accepted.append(name)
                        break
            await asyncio.sleep(0.02)
        await asyncio.sleep(_POST_S)


async def _kill(http: aiohttp.ClientSession, notifiers: list[_Notifier], place: HttpPlace, kills: int) -> None:
    """The one that leads, at any moment of its sending: it is each time the one that was not killed last."""
    chance = random.Random(11)
    for number in range(kills):
        since = len(place.texts)
        async with asyncio.timeout(_SETTLE_S):
            while len(place.texts) < since + 3:  # the other one leads by now, and sends
                await asyncio.sleep(0.01)
        await asyncio.sleep(chance.uniform(0, 0.3))
        killed = notifiers[number % 2]
        await asyncio.to_thread(killed.kill)
        killed.start()
        await killed.ready(http)


async def _first_leads(http: aiohttp.ClientSession, notifiers: list[_Notifier]) -> None:
    for each in notifiers:
        each.start()
        await each.ready(http)


async def kill_notifiers(connection: NatsConnection, nats_url: str, folder: Path, kills: int) -> Delivered:
    """Kill the leader so many times while alerts come in, and wait until everything that was kept has arrived."""
    for name in (streams.TICKS, streams.EVENTS):
        await streams.ensure_one(connection, name, StreamLayout())
    place = HttpPlace(places.webhook, (429, "slow down"), delay_s=_ANSWER_S)
    await place.start()
    given = {"PAGE_GROUP_S": "0.05", "WEBHOOK__URL": f"http://127.0.0.1:{place.port}/"}
    given |= {"WEBHOOK__SIGNING_SECRET": SECRET}
    environment = ENVIRONMENT | {f"MARKETPRISM_NOTIFY__{name}": value for name, value in given.items()}
    notifiers = [_Notifier(nats_url, environment, folder / f"notifier-{n}.log") for n in range(2)]
    delivered, stop = Delivered(), asyncio.Event()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            await _first_leads(http, notifiers)
            posting = asyncio.create_task(_post(http, notifiers, delivered, stop))
            try:
                await _kill(http, notifiers, place, kills)
            finally:
                stop.set()
                await posting
            with suppress(TimeoutError):  # what is missing then is lost
                async with asyncio.timeout(_SETTLE_S):
                    while not all(f'"{name}"' in "".join(place.texts) for name in delivered.accepted[-20:]):
                        await asyncio.sleep(0.2)
                    await asyncio.sleep(5)
    finally:
        for each in notifiers:
            await asyncio.to_thread(each.kill)
        await place.stop()
    for text in place.texts:
        delivered.take(text)
    return delivered


def sound(delivered: Delivered, kills: int) -> bool:
    """Nothing is lost, and a kill repeats no more than what was on its way: a message, and the one before it whose
    marks were being written."""
    return not delivered.lost and delivered.repeated_messages <= 2 * kills


__all__ = ["Delivered", "kill_notifiers", "sound"]
