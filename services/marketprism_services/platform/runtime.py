"""Runs one service: connections in order, container, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import structlog

from marketprism_adapters.clickhouse.local_server import LocalServerError
from marketprism_adapters.nats.local_server import EmbeddedServerError
from marketprism_application.errors import SourceError, StoreError
from marketprism_domain.errors import InvalidValue
from marketprism_sdk.errors import ConfigurationError, NotConnected, SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import logs
from marketprism_sdk.private_files import UMASK
from marketprism_sdk.service import Service, run, unless
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.settings.settings import Settings

if TYPE_CHECKING:
    from marketprism_services.platform.container import Container

log = structlog.get_logger()

_START_ATTEMPTS = 60


async def connect(settings: Settings, name: str) -> NatsConnection:
    """Connection of a process.

    Raises:
        Stop: no URL is set (2), or no NATS answers there (4).
    """
    url = settings.nats.url
    if url is None:
        raise Stop(Exit.USAGE, "nats.url: expected the URL of a NATS server (--nats-url), was none")
    try:
        return await NatsConnection.open(url, name=name, connect_timeout_s=settings.nats.connect_timeout_s)
    except NotConnected as error:
        raise Stop(Exit.NATS, reason_of(error)) from error


async def _serve(service_name: str, settings: Settings, stop: asyncio.Event) -> int:
    from marketprism_services.platform.container import Container  # noqa: PLC0415 (heavy: only when a service runs)

    async with AsyncExitStack() as stack:
        connection = await unless(stop, _connect_patiently(settings, service_name))
        if connection is None:
            return Exit.OK
        stack.push_async_callback(connection.close)
        service = _made(Container(settings=settings, connection=connection), service_name)
        logs.configure(
            level=settings.log.level, form=settings.log.format, service=service_name, instance=service.instance
        )
        return await _run_patiently(service, stop)


def _made(container: Container, name: str) -> Service:
    """A service by its settings; one that it refuses would be refused at the next start as well: exit code 2."""
    try:
        service: Service = getattr(container, name)()
    except (ConfigurationError, InvalidValue) as error:
        raise Stop(Exit.USAGE, f"setting {error}") from error
    return service


async def _connect_patiently(settings: Settings, name: str) -> NatsConnection:
    """A service that starts before its NATS waits for it: in a cluster nobody promises an order."""
    for attempt in range(_START_ATTEMPTS):
        try:
            return await connect(settings, name)
        except Stop as error:
            if error.code != Exit.NATS or attempt + 1 == _START_ATTEMPTS:
                raise
            log.warning("waiting for NATS", error=reason_of(error))
            await asyncio.sleep(0.5)
    raise AssertionError("unreachable")


async def _run_patiently(service: Service, stop: asyncio.Event) -> int:
    try:
        return await service.run(stop)
    except ConfigurationError as error:
        raise Stop(Exit.USAGE, reason_of(error)) from error
    except SdkError as error:
        raise Stop(Exit.NATS if error.retryable else Exit.FAILED, reason_of(error)) from error


def run_service(service_name: str, settings: Settings) -> int:
    """Exit code of a service that ran to its end."""
    os.umask(UMASK)
    logs.configure(level=settings.log.level, form=settings.log.format, service=service_name)
    return run(lambda stop: _serve(service_name, settings, stop), settings.drain_s)


def stop_of(error: Exception) -> Stop:
    """What an error of the lower layers means for the shell; of several that came together, the first."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Stop):
        return error
    if isinstance(error, SourceError):
        return Stop(Exit.INPUT, reason_of(error))
    if isinstance(error, EmbeddedServerError):
        code = Exit.STORE if str(error).startswith("data directory") else Exit.NATS
        return Stop(code, reason_of(error))
    if isinstance(error, StoreError | LocalServerError):
        return Stop(Exit.STORE, reason_of(error))
    if isinstance(error, ConfigurationError):
        return Stop(Exit.USAGE, reason_of(error))
    if isinstance(error, SdkError):
        return Stop(Exit.NATS if error.retryable else Exit.FAILED, reason_of(error))
    if isinstance(error, OSError):
        return Stop(Exit.FAILED, reason_of(error))
    raise error


def line_of(stop: Stop) -> str:
    """What is said of it, never nothing: where it has no words, what caused it has."""
    return str(stop).strip() or reason_of(stop.__cause__ or stop)
