"""All checks, in the order in which a person would mend what they find."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.calendars import chinese_trading_days
from marketprism_adapters.clickhouse.server_facts import StoreFacts, facts_of, lets_anybody_in
from marketprism_adapters.clickhouse.server_url import parse_server_url
from marketprism_adapters.nats.server_facts import clock_offset
from marketprism_adapters.nats.streams import TICKS
from marketprism_application.errors import StoreError
from marketprism_domain.sessions.trading_days import china_date
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli.doctor import setup
from marketprism_services.cli.doctor.finding import Finding, wrong
from marketprism_services.cli.doctor.host import Host, kernel_clock
from marketprism_services.cli.doctor.production import (
    agenda,
    alerting,
    backups,
    broker,
    certificates,
    clocks,
    disks,
    door,
    instances,
    limits,
    secrets,
    store,
)
from marketprism_services.platform.descriptors import FEWEST, limit
from marketprism_services.platform.known_files import known_url
from marketprism_services.platform.nats_place import NatsPlace
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.backup import secret_files_of
from marketprism_services.wiring.store import server_at

_SCHEMES = {"https": ("http", "https"), "clickhouses": ("clickhouse", "clickhouses")}
_TLS_PORTS = {"https": 8443, "clickhouses": 9440}


class Asked(NamedTuple):
    """What is looked at: the settings, the file they came from, and what only the command line names."""

    settings: Settings
    config: Path | None = None
    monitors: tuple[str, ...] = ()
    jetstream_dir: Path | None = None
    alertmanager: str = ""
    host: Host = Host()


async def inspect(asked: Asked) -> list[Finding]:
    """Every finding, of all checks in their order."""
    settings = asked.settings
    findings = await asyncio.to_thread(_machine, asked)
    offsets: dict[str, float] = {}
    from_broker = await _broker(asked, offsets)
    from_store = await _store(settings, offsets)
    findings += [clocks.kernel(kernel_clock()), *clocks.servers(offsets), *from_broker, *from_store]
    findings += await asyncio.to_thread(certificates.all_files, settings)
    findings += await _shown(settings)
    findings += await backups.look(settings)
    findings += await asyncio.to_thread(_secrets, asked)
    findings += [*door.settings_of_door(settings), *await door.asked(settings)]
    findings += [*await alerting.channels(settings.notify), *await alerting.alertmanager(asked.alertmanager)]
    return [*findings, *await asyncio.to_thread(_agenda, settings)]


def _machine(asked: Asked) -> list[Finding]:
    settings, host = asked.settings, asked.host
    cores = len(os.sched_getaffinity(0))
    findings = setup.machine(settings)
    findings += limits.all_of(host, limit(), settings.api.connections + FEWEST, cores)
    findings += disks.of_folder("the data directory", settings.data_dir, host)
    own = asked.jetstream_dir or settings.data_dir / "nats"
    if own.exists():
        findings += disks.of_folder("the JetStream store", own, host)
    elif asked.jetstream_dir is not None:
        todo = "give the store_dir of the server's configuration"
        findings.append(wrong("JetStream store", f"{own} is not there", "a folder of this machine", todo))
    return findings


def _secrets(asked: Asked) -> list[Finding]:
    files = secrets.files_of(asked.settings, asked.config, secret_files_of())
    return [*secrets.modes(files), *secrets.passwords(asked.settings)]


def _agenda(settings: Settings) -> list[Finding]:
    today = china_date(time.time_ns())
    known = chinese_trading_days(settings.calendar).known_to or today
    return [agenda.zones(), agenda.days(known, today)]


async def _broker(asked: Asked, offsets: dict[str, float]) -> list[Finding]:
    settings = asked.settings
    urls = secrets.addresses(settings)
    known = await asyncio.to_thread(known_url, settings.data_dir)
    if not urls and known is None:
        todo = "nats.url of three servers, or `marketprism up`, then ask again"
        return [wrong("NATS", "none is set and none runs on the data directory", "a server that is asked", todo)]
    urls = urls or [known.reveal() if known is not None else ""]
    findings = await broker.greetings(urls)
    place = await asyncio.to_thread(NatsPlace.of, settings, settings.data_dir, "")
    try:
        connection = await place.open("doctor", connect_timeout_s=2)
    except (SdkError, ValueError) as error:
        todo = "mend server, address or credentials; `operator` of nats.users is who asks"
        return [*findings, wrong("NATS", reason_of(error), "a connection", todo)]
    try:
        servers = max(len(urls), 1 + len(connection.nc.discovered_servers))
        findings += await broker.monitored(asked.monitors, settings, servers)
        findings += await broker.streams(connection, servers)
        findings += await _clock_of(connection, offsets)
        findings += await instances.registered(connection)
    finally:
        await connection.close()
    return [*findings, *await broker.rights(settings)]


async def _clock_of(connection: NatsConnection, offsets: dict[str, float]) -> list[Finding]:
    try:
        offset = await clock_offset(connection, TICKS)
    except SdkError:
        return []  # a stream that is not there or not led is told by the check of streams
    if offset is not None:
        offsets["NATS"] = offset
    return []


async def _store(settings: Settings, offsets: dict[str, float]) -> list[Finding]:
    if settings.store.engine != "clickhouse":
        return [store.embedded()]
    try:
        found = await _facts(settings, settings.store.url)
        offsets["ClickHouse"] = found.offset_s
        findings = store.judge(found, settings)
        if settings.store.read_url:
            findings.append(store.reader(await _facts(settings, settings.store.read_url)))
        else:
            findings.append(store.no_reader())
        return [*findings, *store.anybody(comes_in=await lets_anybody_in(settings.store.url))]
    except (StoreError, SettingsError, OSError) as error:
        todo = "start the server, mend store.url or its user"
        return [wrong("ClickHouse", reason_of(error), "an answer", todo)]


async def _facts(settings: Settings, url: str) -> StoreFacts:
    engine = await server_at(settings, url).open()
    try:
        return await facts_of(engine)
    finally:
        await engine.close()


async def _shown(settings: Settings) -> list[Finding]:
    """Certificates of servers that speak TLS from the first byte. Those of NATS are looked at by who connects."""
    servers: dict[str, tuple[str, int, ssl.SSLContext]] = {}
    scheme = settings.store.url.split("://")[0]
    if settings.store.engine == "clickhouse" and scheme in _SCHEMES:
        parts = parse_server_url(settings.store.url, _SCHEMES[scheme])
        context = await asyncio.to_thread(settings.store.tls.tls)
        servers["ClickHouse"] = (parts.host, parts.port or _TLS_PORTS[scheme], context)
    if not servers:
        return []
    return await certificates.shown(servers)


__all__ = ["Asked", "inspect"]
