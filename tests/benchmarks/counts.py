"""What a tick costs, counted: numbers that are the same on any machine and however busy it is.

Function calls and bytes of each step of the hot path; messages through a real nats-server from the raw log to the bars,
one tick at a time, as in a quiet market; messages and wake-ups a second of services to which nothing comes.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.raw_log import RawLog
from marketprism_adapters.synthetic.plan import parse_plan
from marketprism_adapters.synthetic.source import SimulatedVenue
from marketprism_application.aggregation.aggregator import ShardAggregator
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, decode_packed, encode_packed, split_packed
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.ports.sources import SourceBatch
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks import validation
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import Sampler
from marketprism_services.platform.container import Container
from marketprism_services.settings.services import SERVICES
from marketprism_services.settings.settings import Settings

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from marketprism_sdk.service import Service

_SEVEN = BarSettings(("1m", "3m", "5m", "15m", "30m", "1h", "1d"))
_TICKS = 4_000  # of the functions
_SENT = 40  # through NATS
_IDLE_S = 10.0  # one look of the slowest timers falls into it, whenever it begins
_SERVED = ("validator", "aggregator", "monitor")  # what neither reads a source nor loads the embedded store


def is_compiled() -> bool:
    """Whether the domain runs compiled: its calls cannot be seen then, and are other numbers."""
    return not str(validation.__file__).endswith(".py")


def simulated_ticks(calendar: MarketCalendar, count: int) -> list[Tick]:
    """The same ticks every time: two instruments of the simulated venue, auction and minutes included."""
    return list(islice(SimulatedVenue(parse_plan("seed=7,instruments=rb2505+m2505,rate=2"), calendar).ticks(), count))


def function_counts() -> dict[str, float]:
    """By step of a tick: calls of functions, of Python and of C, and blocks of memory that its results hold; bytes of
    its messages."""
    calendar = chinese_calendar_of_markets()
    ticks = simulated_ticks(calendar, _TICKS)
    batches = [SourceBatch([tick], tick.ts_recv, {}) for tick in ticks]
    packer = TickPacker(calendar, lambda _: 0)
    validator, aggregator = ShardValidator(calendar, ValidationRules()), ShardAggregator(calendar, _SEVEN)
    found: dict[str, float] = {}

    def counted(name: str, work: Callable[[], object]) -> None:
        gc.collect()
        blocks = sys.getallocatedblocks()
        calls = _calls(work)
        gc.collect()
        found[f"calls of {name}"] = round(calls / len(ticks), 3)
        found[f"blocks left by {name}"] = round((sys.getallocatedblocks() - blocks) / len(ticks), 2)

    raw: list[tuple[int, Packed]] = []
    counted("packing", lambda: [raw.extend(packer.feed(batch)) for batch in batches])
    encoded: list[bytes] = []
    counted("encoding a raw message", lambda: encoded.extend(encode_packed(packed) for _, packed in raw))
    decoded: list[Packed] = []
    counted("decoding a packed message", lambda: decoded.extend(map(decode_packed, encoded)))
    validated: list[Packed] = []

    def validate() -> None:
        for number, (_, packed) in enumerate(raw):
            out = validator.process(packed, number, 0)
            validated.append(Packed(PACKED_VERSION, "", 0, 0, tuple(out.ticks), tuple(out.marks)))

    counted("validating", validate)
    public = [encode(TICK, tick) for packed in validated for tick in packed.ticks]
    stored = [encode_packed(packed) for packed in validated]
    counted("aggregating seven intervals", lambda: [aggregator.process(packed) for packed in validated])
    rows: list[object] = []
    counted("taking rows for the store", lambda: rows.extend(map(split_packed, stored)))
    found["bytes of raw messages"] = round(sum(map(len, encoded)) / len(ticks), 2)
    found["bytes of public ticks"] = round(sum(map(len, public)) / len(ticks), 2)
    found["bytes of packed ticks"] = round(sum(map(len, stored)) / len(ticks), 2)
    return found


def _calls(work: Callable[[], object]) -> int:
    """Calls of functions, of Python and of C, that some work makes."""
    count = 0

    def called(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


async def message_counts() -> dict[str, float]:
    """Messages and bytes a tick by what they are, published and delivered; and of services at rest, a second."""
    with tempfile.TemporaryDirectory() as folder:
        server = await EmbeddedServer.start(EmbeddedOptions(Path(folder) / "nats", port=0, max_store_gb=1))
        connection = await NatsConnection.open(server.url, name="counts")
        try:
            return await _served(connection, server.url, Path(folder))
        finally:
            await connection.close()
            await server.stop()


async def _served(connection: NatsConnection, url: str, folder: Path) -> dict[str, float]:
    settings = Settings.model_validate(
        {
            "data_dir": str(folder / "data"),
            "nats": {"url": url, "max_store_gb": 1},
            "http": {row.name: 0 for row in SERVICES},
            "streams": {"partitions": 1},
        }
    )
    container = Container(settings=settings, connection=connection)
    services: list[Service] = [container.service(name) for name in _SERVED]
    stop = asyncio.Event()
    running = [asyncio.create_task(service.run(stop)) for service in services]
    try:
        async with asyncio.timeout(60):
            while not all(service.http.ready for service in services):
                await asyncio.sleep(0.1)
        async with _Listener(url) as listener:
            await asyncio.sleep(1.0)  # what a start has still to do
            idle = await _idle(listener)
            return {**await _one_by_one(connection, listener), **idle}
    finally:
        stop.set()
        await asyncio.gather(*running, return_exceptions=True)


class _Listener:
    """Hears every message, those that are delivered to somebody too, on a connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.messages: Counter[str] = Counter()
        self.bytes = 0

    async def __aenter__(self) -> _Listener:
        self._connection = await NatsConnection.open(self._url, name="listener")
        await self._connection.subscribe(">", self._hear)
        await self._connection.flush()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    def _hear(self, message: Msg) -> None:
        if message.subject.startswith("$JS.EVENT."):  # told because somebody listens
            return
        self.messages[_what(message.subject)] += 1
        self.bytes += len(message.subject) + len(message.data)

    async def take(self) -> Counter[str]:
        """What came since the last call; everything that the server has sent is here."""
        await self._connection.flush()
        found, self.messages = self.messages, Counter()
        return found


def _what(subject: str) -> str:
    if subject.startswith("stage."):
        return "stage." + subject.split(".")[-1 if subject.endswith(".ck") else -2]
    most = 2 if subject.startswith(("market.", "$JS.API")) else 1
    return ".".join(subject.split(".")[:most])


async def _idle(listener: _Listener) -> dict[str, float]:
    await listener.take()
    before, started = _wakeups(), time.monotonic()
    await asyncio.sleep(_IDLE_S)
    took_s, woken = time.monotonic() - started, _wakeups() - before
    heard = await listener.take()
    return {
        "messages a second at rest": round(heard.total() / took_s, 1),
        "wake-ups a second at rest": round(woken / took_s, 1),
    }


def _wakeups() -> int:
    """How often threads of this process slept and were woken."""
    total = 0
    for task in Path("/proc/self/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


async def _one_by_one(connection: NatsConnection, listener: _Listener) -> dict[str, float]:
    """Each tick is sent when the one before it has gone all the way: nothing is packed with anything else."""
    calendar = chinese_calendar_of_markets()
    ticks = simulated_ticks(calendar, _SENT)
    packer = TickPacker(calendar, lambda _: 0)
    log = await RawLog.open(
        connection, "counts", f"counts-{os.getpid()}", 1, sampler=Sampler(0), on_fenced=lambda _: None
    )
    heard: Counter[str] = Counter()
    try:
        await listener.take()
        sent = 0
        for tick in ticks:
            messages: Sequence[tuple[int, Packed]] = packer.feed(SourceBatch([tick], tick.ts_recv, {}))
            await log.send(messages, 0)
            await log.flush()
            sent += len(messages)
            async with asyncio.timeout(30):
                while heard["stage.ck"] < 2 * sent:
                    await asyncio.sleep(0.01)
                    heard += await listener.take()
    finally:
        await log.close()
    kinds = ("market.raw", "market.packed", "market.tick", "market.bar", "stage.ck")
    return {f"messages a tick of {kind}": round(heard[kind] / len(ticks), 3) for kind in kinds}


__all__ = ["function_counts", "is_compiled", "message_counts"]
