"""NATS: versions, JetStream and its room, replicas, how it writes, who comes in, and what services may do there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from marketprism_adapters.nats.server_facts import (
    Greeting,
    ServerSettings,
    greeting_of,
    lets_anybody_in,
    may_everything,
    settings_at,
)
from marketprism_adapters.nats.streams import MARKET_STREAMS
from marketprism_sdk.errors import SdkError, StreamMissing, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_services.cli.doctor.finding import Finding, judged, ok, warning, wrong
from marketprism_services.settings.services import SERVICES
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.addresses import is_loopback

LEAST_VERSION = (2, 12)  # atomic batches, which stages write with
_PAYLOAD = 8 << 20
_CLUSTER = 3
_PORT = 4222
StreamInfo = Mapping[str, Any]  # as JetStream answers


async def greetings(urls: Sequence[str]) -> list[Finding]:
    """What each server says first, and whether it takes who shows nothing; findings for each."""
    found: list[Finding] = []
    for url in urls:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORT
        what = f"NATS at {host}:{port}"
        try:
            greeting = await greeting_of(host, port)
            open_to_all = not greeting.tls and await lets_anybody_in(host, port)
        except (OSError, ValueError) as error:
            todo = "start it, or take it out of nats.url"
            found.append(wrong(what, f"does not answer: {reason_of(error)}", "every server of nats.url answers", todo))
            continue
        found += greeted(what, greeting, local=is_loopback(f"{host}:{port}"))
        if open_to_all:
            todo = "take `no_auth_user` out of its configuration; `marketprism nats accounts` without --nameless"
            found.append(wrong(f"{what}, log-in", "lets anybody in who shows nothing", "users with passwords", todo))
    return found


def greeted(what: str, greeting: Greeting, *, local: bool) -> list[Finding]:
    """Judges the greeting of one server."""
    numbers = tuple(int(part) for part in greeting.version.split("-")[0].split(".")[:2] if part.isdecimal())
    good = numbers >= LEAST_VERSION
    todo = "upgrade nats-server, one server after the other"
    found = [judged("ok" if good else "wrong", what, f"version {greeting.version}", "2.12 or newer", todo)]
    if not greeting.jetstream:
        found.append(wrong(f"{what}, JetStream", "off", "on", "`jetstream { store_dir: … }` in its configuration"))
    if not greeting.asks_who:
        todo = "include what `marketprism nats accounts` writes"
        found.append(wrong(f"{what}, accounts", "asks nobody who it is", "accounts and users", todo))
    if not greeting.tls:
        text = "speaks in clear" + (", on this machine alone" if local else "")
        todo = "`tls { … }` in its configuration, tls:// in nats.url, and nats.ca"
        found.append(judged("ok" if local else "wrong", f"{what}, TLS", text, "TLS between machines", todo))
    if greeting.max_payload < _PAYLOAD:
        text = f"{greeting.max_payload / (1 << 20):g} MB in one message"
        found.append(warning(f"{what}, max_payload", text, "8 MB, for long answers", "set max_payload: 8MB"))
    return found


async def monitored(monitors: Sequence[str], settings: Settings, servers: int) -> list[Finding]:
    """What their ports for monitoring say, of each that is named: how it writes to its disk."""
    found: list[Finding] = []
    for url in monitors:
        try:
            found_there = await settings_at(url)
        except OSError as error:
            todo = "`http: 127.0.0.1:8222` in its configuration, or name the right address"
            found.append(wrong(f"NATS monitoring at {url}", f"does not answer: {reason_of(error)}", "an answer", todo))
            continue
        found += written(found_there, settings, servers)
    if not monitors:
        todo = "give --nats-monitor http://host:8222 of each server"
        text = "not known: only the port for monitoring says it"
        found.append(warning("NATS sync interval", text, "known for every server", todo))
    return found


def written(found_there: ServerSettings, settings: Settings, servers: int) -> list[Finding]:
    """Judges how one server writes, and what room it has."""
    what = f"NATS {found_there.name}"
    needed = settings.nats.max_store_gb * 1e9
    text = (
        f"{found_there.store_bytes / 1e9:.1f} GB, {found_there.reserved_bytes / 1e9:.1f} GB of them reserved by streams"
    )
    todo = "raise max_file_store of the server, or lower nats.max_store_gb"
    expected = f"{needed / 1e9:g} GB, what nats.max_store_gb says"
    found = [judged("ok" if found_there.store_bytes >= needed else "wrong", f"{what}, room", text, expected, todo)]
    if found_there.sync_always:
        found.append(ok(f"{what}, sync", "before every acknowledgement"))
    elif servers >= _CLUSTER:
        found.append(ok(f"{what}, sync", f"every {found_there.sync_s:g} s, and two other servers have each message"))
    else:
        text = f"every {found_there.sync_s:g} s: power loss costs what was acknowledged since"
        todo = "`sync_interval: always` in jetstream { }, nats.sync_always for the server of `up`, or three servers"
        found.append(wrong(f"{what}, sync", text, "always, or three servers", todo))
    return found


async def streams(connection: NatsConnection, servers: int) -> list[Finding]:
    """Replicas of the market streams, whether all are up to date, and whether the streams are there."""
    infos: dict[str, StreamInfo] = {}
    found = []
    for name in MARKET_STREAMS:
        try:
            infos[name] = await stream_info(connection, name, within_s=0)
        except StreamMissing:
            todo = "start the services: those that write make the streams"
            found.append(warning(f"stream {name}", "is not there", "made by the services", todo))
        except SdkError as error:
            todo = "`marketprism status`; is there a majority of the servers?"
            found.append(wrong(f"stream {name}", reason_of(error), "an answer of its leader", todo))
    return found + replicas(infos, servers)


def replicas(infos: Mapping[str, StreamInfo], servers: int) -> list[Finding]:
    """Judges the streams by what JetStream says of them; `servers` is how many there are."""
    found = []
    wanted = 3 if servers >= _CLUSTER else 1
    for name, info in infos.items():
        has = int(info["config"].get("num_replicas", 1))
        others = (info.get("cluster") or {}).get("replicas") or []
        late = [str(each.get("name")) for each in others if each.get("offline") or not each.get("current", True)]
        if has < wanted:
            text = f"{has} replica of {servers} servers"
            todo = "nats.replicas = 3 for every service, then start the services again"
            found.append(wrong(f"stream {name}", text, "three replicas on three servers", todo))
        elif late:
            todo = "look at those servers; runbook ReplicaBehind"
            found.append(
                wrong(f"stream {name}", f"behind or away: {', '.join(late)}", "every replica up to date", todo)
            )
        else:
            found.append(ok(f"stream {name}", f"{has} replicas, all up to date"))
    if infos and servers < _CLUSTER:
        text = f"{servers} server: with it everything stands, and its disk has the only copy"
        found.append(warning("NATS servers", text, "three, on machines of their own", "docs/runbooks/operate/scale.md"))
    return found


async def rights(settings: Settings) -> list[Finding]:
    """Whether each service that has a user can log in as it, and is held to its rights."""
    url = settings.nats.url
    if url is None:
        return []
    if settings.nats.users is None:
        user = settings.nats.access("").user
        text = f"every service is {user}" if user else "services have no users of their own"
        todo = "`marketprism nats accounts` writes them, nats.users names the folder"
        return [wrong("NATS users", text, "a user for each service", todo)]
    found = []
    for row in SERVICES:
        if not await asyncio.to_thread((settings.nats.users / row.name).exists):
            todo = "write the folder again with `marketprism nats accounts`"
            found.append(warning(f"NATS user {row.name}", "has no file in nats.users", "one for each service", todo))
            continue
        found += await _user(settings, row.name)
    return found or [ok("NATS users", "each service logs in as its own, with its rights alone")]


async def _user(settings: Settings, name: str) -> list[Finding]:
    what, todo = f"NATS user {name}", "write the folder again with `marketprism nats accounts`, and reload the server"
    try:
        connection = await NatsConnection.open(
            str(settings.nats.url.reveal() if settings.nats.url else ""),
            name="doctor",
            access=settings.nats.access(name),
            connect_timeout_s=2,
        )
    except SdkError as error:
        return [wrong(what, reason_of(error), "logs in", todo)]
    try:
        if await may_everything(connection):
            return [wrong(what, "may publish on every subject", "the rights that its code needs", todo)]
    finally:
        await connection.close()
    return []


__all__ = ["LEAST_VERSION", "greeted", "greetings", "monitored", "replicas", "rights", "streams", "written"]
