"""What a nats-server says of itself: to whoever connects, to who asks its port for monitoring, and to its own users.

The first line that it sends names its version and what it expects of who comes in, before any log-in and before TLS.
How it writes to its disk only its port for monitoring says (`http_port`), or the system account.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import aiohttp

from marketprism_sdk.errors import NoResponders, NotPermitted, SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import stream_info

_USER = "$SYS.REQ.USER.INFO"
_WITHIN_S = 2.0
Said = Mapping[str, Any]  # JSON of a server


class Greeting(NamedTuple):
    """The line that a server begins with. `others` are addresses of its cluster, without its own where it is alone."""

    version: str
    name: str
    jetstream: bool
    asks_who: bool
    tls: bool
    max_payload: int
    others: tuple[str, ...]


class ServerSettings(NamedTuple):
    """Of the port for monitoring. `sync_s` is how often JetStream writes through to the disk (0: not known),
    `sync_always` before each acknowledgement."""

    name: str
    version: str
    store_bytes: int
    reserved_bytes: int
    sync_s: float
    sync_always: bool
    store_dir: str
    max_payload: int


async def greeting_of(host: str, port: int) -> Greeting:
    """What the server at an address says first.

    Raises:
        OSError: nobody answers within two seconds. ValueError: it is no NATS server.
    """
    try:
        async with asyncio.timeout(_WITHIN_S):
            reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
            try:
                line = await reader.readline()
            finally:
                writer.close()
    except TimeoutError as error:
        raise OSError(f"expected a NATS server, no answer within {_WITHIN_S:g} s") from error
    verb, _, text = line.partition(b" ")
    said: Said | None = None
    with contextlib.suppress(ValueError):
        said = json.loads(text)
    if verb != b"INFO" or not isinstance(said, dict):
        raise ValueError(f"expected a NATS server at {host}:{port}, was {line[:40]!r}")
    return Greeting(
        version=str(said.get("version", "")),
        name=str(said.get("server_name", "")),
        jetstream=bool(said.get("jetstream")),
        asks_who=bool(said.get("auth_required")),
        tls=bool(said.get("tls_required")),
        max_payload=int(said.get("max_payload", 0)),
        others=tuple(said.get("connect_urls") or ()),
    )


async def lets_anybody_in(host: str, port: int) -> bool:
    """Whether the server at an address takes a client that shows nothing, in clear.

    Raises:
        OSError: nobody answers.
    """
    try:
        async with asyncio.timeout(_WITHIN_S):
            reader, writer = await asyncio.open_connection(host, port, limit=1 << 20)
            try:
                await reader.readline()
                writer.write(b'CONNECT {"verbose":false,"pedantic":false,"lang":"python","version":"0"}\r\nPING\r\n')
                line = await reader.readline()
            finally:
                writer.close()
    except TimeoutError:
        return False
    except ConnectionError:
        return False
    return line.startswith(b"PONG")


async def settings_at(monitor: str) -> ServerSettings:
    """What the port for monitoring says, `http://host:8222`.

    Raises:
        OSError: nobody answers there, or something else does.
    """
    try:
        timeout = aiohttp.ClientTimeout(total=_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            async with session.get(f"{monitor.rstrip('/')}/varz") as answer:
                varz: Said = await answer.json()
            async with session.get(f"{monitor.rstrip('/')}/jsz") as answer:
                jsz: Said = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise OSError(reason_of(error)) from error
    config = (varz.get("jetstream") or {}).get("config") or jsz.get("config") or {}
    return ServerSettings(
        name=str(varz.get("server_name", "")),
        version=str(varz.get("version", "")),
        store_bytes=int(config.get("max_storage", 0)),
        reserved_bytes=int(jsz.get("reserved_storage", 0)),
        sync_s=int(config.get("sync_interval", 0)) / 1e9,
        sync_always=bool(config.get("sync_always")),
        store_dir=str(config.get("store_dir", "")),
        max_payload=int(varz.get("max_payload", 0)),
    )


async def clock_offset(connection: NatsConnection, stream: str) -> float | None:
    """Seconds that the clock of the server which leads a stream is before ours; None where it does not say.

    Raises:
        SdkError: as `stream_info`.
    """
    before = time.time()
    said = str((await stream_info(connection, stream, within_s=0)).get("ts", ""))
    whole, _, rest = said.removesuffix("Z").partition(".")
    try:
        then = datetime.fromisoformat(f"{whole}.{rest[:6]:0<6}+00:00").timestamp()
    except ValueError:
        return None
    return then - (before + time.time()) / 2


async def may_everything(connection: NatsConnection) -> bool | None:
    """Whether the user of a connection has no bounds at all: no list of subjects that it may publish on.

    A user with a list is refused the question itself, or sees its list; None where the server does not say.
    """
    try:
        reply = await connection.request(_USER, b"", timeout_s=_WITHIN_S)
        said = json.loads(reply.data).get("data") or {}
    except NotPermitted:
        return False
    except (NoResponders, SdkError, ValueError, AttributeError):
        return None
    return not (said.get("permissions") or {}).get("publish")


__all__ = [
    "Greeting",
    "ServerSettings",
    "clock_offset",
    "greeting_of",
    "lets_anybody_in",
    "may_everything",
    "settings_at",
]
