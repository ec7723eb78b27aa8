"""Checks of any machine: is it set up, and does what runs here answer."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import stat
import sys
import time
from pathlib import Path

from marketprism_adapters.calendars import chinese_trading_days, shortage_of
from marketprism_adapters.nats import local_server, streams
from marketprism_application.errors import EmbeddedServerError
from marketprism_domain.sessions.trading_days import china_date
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_sdk.private_files import UMASK
from marketprism_services.cli.doctor.finding import Finding, Grade
from marketprism_services.platform.catalogue import names
from marketprism_services.platform.core import core_in_use
from marketprism_services.platform.descriptors import FEWEST, limit
from marketprism_services.platform.known_files import known_url
from marketprism_services.platform.nats_place import NatsPlace
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.packages import check_packages

_LOW_DISK_GB = 2.0
_PAYLOAD = 8 << 20  # what the server of `up` takes
_FULL_DISK_GB = 0.1


async def examine(settings: Settings) -> list[Finding]:
    """Every finding, in the order a person would check."""
    findings = [*machine(settings), _disk(settings.data_dir), _descriptors(), calendar_of(settings)]
    findings += _ports(settings)
    findings += await _nats(settings)
    return findings


def machine(settings: Settings) -> list[Finding]:
    """What is installed, and the folder where data lives."""
    findings = [_python(), _core(), _packages(), _store(settings), _binary(), _data_dir(settings.data_dir)]
    return [*findings, _private(settings.data_dir)]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("ok" if sys.version_info >= (3, 11) else "wrong", "python", f"{version} (3.11 or newer is needed)")


def _core() -> Finding:
    if core_in_use() == "compiled":
        return Finding("ok", "core", "compiled")
    return Finding("ok", "core", "pure Python (make compiled, or a wheel built with a C compiler, is faster)")


def _packages() -> Finding:
    missing = [name for name in ("nats", "msgspec", "pyarrow") if importlib.util.find_spec(name) is None]
    if missing:
        return Finding("wrong", "packages", f"{', '.join(missing)} missing: install marketprism[all]")
    return Finding("ok", "packages", "complete")


def _store(settings: Settings) -> Finding:
    try:
        check_packages(settings)
    except SettingsError as error:
        return Finding("wrong", "store", str(error))
    if settings.store.engine == "clickhouse":
        return Finding("ok", "store", f"ClickHouse at {settings.store.url}")
    return Finding("ok", "store", "embedded (chDB)")


def _binary() -> Finding:
    try:
        return Finding("ok", "nats-server", local_server.server_binary())
    except EmbeddedServerError as error:
        return Finding("wrong", "nats-server", str(error))


def _data_dir(path: Path) -> Finding:
    existing = next(p for p in (path, *path.parents) if p.exists())
    if not os.access(existing, os.W_OK):
        return Finding("wrong", "data directory", f"{path} is not writable: choose another with --data-dir")
    return Finding("ok", "data directory", str(path))


def _private(path: Path) -> Finding:
    """Who else can read what is there: market data may be under contract, and the streams hold all of it."""
    if not path.exists():
        return Finding("ok", "privacy", f"{path} will be its owner's alone (0700)")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & UMASK:
        who = "anybody on this machine" if mode & 0o007 else "its group"
        return Finding("warning", "privacy", f"{path} can be read by {who} ({mode:04o}): chmod 700 {path}")
    return Finding("ok", "privacy", f"{path} is its owner's alone ({mode:04o})")


def _disk(path: Path) -> Finding:
    existing = next(p for p in (path, *path.parents) if p.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    text = f"{free_gb:.1f} GB free in {existing}, where the data lives"
    if free_gb > _LOW_DISK_GB:
        return Finding("ok", "disk", text)
    grade: Grade = "warning" if free_gb > _FULL_DISK_GB else "wrong"
    return Finding(grade, "disk", f"{text}: make room, nothing is written once it is full")


def _descriptors() -> Finding:
    found = limit()
    if found >= FEWEST:
        return Finding("ok", "file descriptors", f"{found} for a process")
    text = f"{found} for a process, {FEWEST} are needed: raise the limit, as with `ulimit -n 4096`"
    return Finding("wrong", "file descriptors", text)


def calendar_of(settings: Settings) -> Finding:
    """Whether closed days are announced for long enough."""
    days = chinese_trading_days(settings.calendar)
    shortage = shortage_of(days, china_date(time.time_ns()))
    if shortage is not None:
        return Finding("warning", "calendar", shortage)
    return Finding("ok", "calendar", f"closed days are announced up to {days.known_to}")


def _ports(settings: Settings) -> list[Finding]:
    findings = []
    for name in names():
        port = settings.http.port_of(name)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken = port and probe.connect_ex((settings.http.host, port)) == 0
        text = f"{port} answers: {name} is running, or something else has its port" if taken else f"{port} is free"
        findings.append(Finding("warning" if taken else "ok", f"http port of {name}", text))
    return findings


def _payload(most: int) -> Finding:
    text = f"{most / (1 << 20):g} MB in one message"
    if most >= _PAYLOAD:
        return Finding("ok", "nats max_payload", text)
    return Finding("warning", "nats max_payload", f"{text}: long answers need 8 MB, set max_payload: 8MB")


async def _nats(settings: Settings) -> list[Finding]:
    if settings.nats.url is None and known_url(settings.data_dir) is None:
        return [Finding("ok", "nats", "none is set: `marketprism up` starts one of its own")]
    nats = NatsPlace.of(settings, settings.data_dir, "")
    url = nats.url
    try:
        connection = await nats.open("doctor", connect_timeout_s=2)
    except SdkError as error:
        grade: Grade = "wrong" if settings.nats.url else "ok"
        return [Finding(grade, "nats", str(error) if settings.nats.url else f"no pipeline is running on {url}")]
    try:
        findings = [Finding("ok", "nats", f"{url} answers")]
        findings.append(_payload(connection.max_payload))
        for name in (streams.RAW, streams.TICKS, streams.BARS, streams.EVENTS):
            try:
                state = (await stream_info(connection, name, within_s=0))["state"]
                findings.append(Finding("ok", name, f"{state['messages']} messages, {state['bytes'] / 1e6:.1f} MB"))
            except SdkError as error:
                findings.append(Finding("warning", name, str(error)))
        if len(connection.nc.discovered_servers) == 0:
            text = "a single node: power loss can cost its last second unless nats.sync_always is set"
            findings.append(Finding("warning", "nats durability", text))
        return findings
    finally:
        await connection.close()


__all__ = ["calendar_of", "examine", "machine"]
