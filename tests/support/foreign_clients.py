"""Programs in other languages that read what is published, each as a user builds it, in a folder of its own."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from marketprism_adapters.nats.streams import TICKS, StreamLayout, ensure_one
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import BAR, TICK, DataKind
from marketprism_application.contracts.subjects import escape, tick_subject
from marketprism_domain.marketdata.tick import Tick
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import publish_ack
from tests.contract.test_codec import SAMPLES

Publish = Callable[[bytes], Awaitable[None]]
EXAMPLES = Path(__file__).parents[2] / "examples"


def node_client(folder: Path) -> Path:
    """A copy of `examples/node` with its packages."""
    place = folder / "node"
    shutil.copytree(EXAMPLES / "node", place, ignore=shutil.ignore_patterns("node_modules"))
    _run(["npm", "install", "--silent", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"], place)
    return place


def c_client(folder: Path) -> Path:
    """A copy of `examples/c`, compiled; a warning is an error."""
    place = folder / "c"
    shutil.copytree(EXAMPLES / "c", place)
    _run(["make", "CC=cc -Werror"], place)
    return place / "subscribe"


def _run(command: list[str], place: Path) -> None:
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class Client:
    """What runs a client: its words for live data and for what a stream holds, before URL, symbol and a number."""

    live: tuple[str, ...]
    history: tuple[str, ...]
    defaults: bool  # it fills in what is absent


def node(place: Path) -> Client:
    """The one for Node."""
    return Client(("node", str(place / "subscribe.mjs")), ("node", str(place / "history.mjs")), defaults=True)


def c(program: Path) -> Client:
    """The one in C."""
    return Client((str(program), "live"), (str(program), "history"), defaults=False)


async def read_live(client: Client, url: str, symbol: str, payloads: Sequence[bytes], publish: Publish) -> list[Any]:
    """What a client prints of payloads that are published when it is there; its counts are held against it."""
    process = await asyncio.create_subprocess_exec(
        *client.live, url, symbol, str(len(payloads)), stdout=PIPE, stderr=PIPE
    )
    assert process.stderr is not None
    assert await process.stderr.readline() == b"subscribed\n"
    for payload in payloads:
        await publish(payload)
    stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    lines = lines_of(stdout.decode())
    bars = sum("interval" in each["message"] for each in lines)
    assert stderr.decode() == f"ticks {len(lines) - bars}, bars {bars}\n"
    assert [each["n"] for each in lines] == [str(n) for n in range(1, len(lines) + 1)]
    return [each["message"] for each in lines]


async def read_history(client: Client, url: str, symbol: str, start: int = 1) -> tuple[dict[int, Any], int]:
    """What a client prints of a stream, by sequence, and where it would go on."""
    process = await asyncio.create_subprocess_exec(*client.history, url, symbol, str(start), stdout=PIPE, stderr=PIPE)
    stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    lines = {int(each["stream_seq"]): each["message"] for each in lines_of(stdout.decode())}
    words = stderr.decode().split()
    assert words[:2] == ["ticks", f"{len(lines)},"]
    return lines, int(words[-1])


def same(client: Client, printed: Any, payload: bytes) -> None:
    """That a client printed a message to the last digit, and of what is absent no more than its default."""
    sent = as_texts(msgspec.msgpack.decode(payload))
    more = printed.keys() - sent.keys()
    assert {name: printed[name] for name in sent} == sent
    assert client.defaults or not more
    assert all(printed[name] in ([], "", "0", False) for name in more), printed


def lines_of(text: str) -> list[Any]:
    """What a program printed, with every number as a text, for JavaScript has no integers of 64 bits in JSON."""
    return [as_texts(json.loads(line)) for line in text.splitlines()]


def as_texts(value: Any) -> Any:
    """A message with every number as a text."""
    if isinstance(value, dict):
        return {name: as_texts(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_texts(each) for each in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


async def same_as_published(client: Client, connection: NatsConnection, url: str) -> None:
    """That a client reads every golden message live, a symbol with signs, and all of a stream by its sequences."""
    golden = json.loads((EXAMPLES.parent / "tests/golden/messages.json").read_text())
    symbol = "价差 1.a"
    made = SAMPLES["tick"]._replace(symbol=symbol)
    least = Tick(*made[:10])
    ticks = [encode(TICK, each) for each in (made, least, made._replace(last=Decimal("0.000000000000000001")))]
    ticks += [base64.b64decode(each) for each in _golden(golden, TICK)]
    bars = [encode(BAR, SAMPLES["bar"]), *(base64.b64decode(each) for each in _golden(golden, BAR))]
    payloads = ticks + bars

    async def publish(payload: bytes) -> None:
        subject = f"market.bar.1m.{escape(symbol)}" if payload in bars else tick_subject(symbol)
        await connection.publish(subject, payload)
        await connection.flush()

    printed = await read_live(client, url, symbol, payloads, publish)
    by_kind = [each for each in printed if "interval" not in each] + [each for each in printed if "interval" in each]
    assert len(by_kind) == len(payloads)
    for one, payload in zip(by_kind, payloads, strict=True):
        same(client, one, payload)

    await ensure_one(connection, TICKS, StreamLayout())
    stored = [encode(TICK, made._replace(seq=n, volume=Decimal(n))) for n in range(1, 41)]
    other = encode(TICK, SAMPLES["tick"])
    for payload in stored:
        await publish_ack(connection, tick_subject(symbol), payload, None)
        await publish_ack(connection, tick_subject("ru1901"), other, None)
    found, after = await read_history(client, url, symbol)
    assert len(found) == len(stored)
    for one, payload in zip(found.values(), stored, strict=True):
        same(client, one, payload)
    assert after == max(found) + 1
    assert (await read_history(client, url, symbol, after))[0] == {}
    assert list((await read_history(client, url, symbol, max(found)))[0]) == [max(found)]


def _golden(golden: dict[str, str], kind: DataKind) -> list[str]:
    """The encoded message of a kind, of every version."""
    return [text for name, text in golden.items() if name.startswith(f"{kind.name}.v")]
