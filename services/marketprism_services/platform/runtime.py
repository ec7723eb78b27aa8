"""Runs services as this process, one or several: connections in order, container, until told to stop (ADR 77)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeVar

import structlog

from marketprism_domain.errors import InvalidValue
from marketprism_sdk.errors import ConfigurationError, SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import export_logs, export_traces, logs
from marketprism_sdk.private_files import UMASK
from marketprism_sdk.service import run, unless
from marketprism_services.platform.catalogue import row_of, wiring_of
from marketprism_services.platform.config_watch import ConfigWatch, LastGood, follower_at_start
from marketprism_services.platform.descriptors import FEWEST, FEWEST_MORE, FEWEST_WITHOUT_STORE, check_limit
from marketprism_services.platform.exits import Exit
from marketprism_services.platform.patience import patiently
from marketprism_services.platform.run_files import access_to
from marketprism_services.platform.units import name_of
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.layers import Layers
from marketprism_services.settings.secret_files import warn_of_open_files
from marketprism_services.settings.sections import NO_SOURCE
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.appliers import Appliers

if TYPE_CHECKING:  # heavy with its HTTP server; who runs one imports it with the service's wiring
    from marketprism_sdk.service import Service

log = structlog.get_logger()

READER = "gateway"  # the service that reads the source
STORER = "storage"  # the one that writes the rows
_START_ATTEMPTS = 60
T = TypeVar("T")


async def connect(settings: Settings, name: str) -> NatsConnection:
    """Connection of a process.

    Raises:
        SettingsError: no URL is set.
        NotConnected: no NATS answers there, or it refuses the user.
        InvalidSetting: a file of the user cannot be used.
    """
    url = settings.nats.url
    if url is None:
        raise SettingsError("nats.url: expected the URL of a NATS server (--nats-url), was none")
    access = await asyncio.to_thread(access_to, url, name, settings, settings.data_dir)
    return await NatsConnection.open(url, name=name, access=access, connect_timeout_s=settings.nats.connect_timeout_s)


async def _serve(service_name: str, layers: Layers, given: Settings, stop: asyncio.Event) -> int:
    async with AsyncExitStack() as stack:
        connection = await unless(stop, _once_nats_answers(lambda: connect(given, service_name)))
        if connection is None:
            return Exit.OK
        stack.push_async_callback(connection.close)
        appliers = Appliers()
        follower = await unless(stop, follower_at_start(connection, layers, service_name, appliers))
        if follower is None:
            return Exit.OK
        settings = follower.settings
        await unless(stop, _once_nats_answers(lambda: _claim(service_name, connection, settings)))
        if stop.is_set():
            return Exit.OK
        service = service_of(service_name, settings, connection, appliers)

        def log_as(wanted: Settings) -> None:
            form = wanted.log.format
            logs.configure(level=wanted.log.level, form=form, service=service_name, instance=service.instance)

        log_as(settings)
        appliers.on("log.level", log_as)
        appliers.on("log.format", log_as)
        ConfigWatch(service, follower, LastGood.of(settings.data_dir, service_name))
        # Lines last: those of the end of the spans are sent too.
        for endpoint, export in ((settings.log.endpoint, export_logs), (settings.trace.endpoint, export_traces)):
            if endpoint:
                version, metrics = service.http.version, service.metrics
                close = await asyncio.to_thread(
                    export, endpoint, service_name, service.instance, metrics=metrics, version=version
                )
                stack.push_async_callback(asyncio.to_thread, close)
        if service_name == STORER:
            service.spawn(_confirm(service, settings), "claim")
        return await service.run(stop)


async def _serve_all(services: Sequence[str], layers: Layers, given: Settings, stop: asyncio.Event) -> int:
    """Exit code of a process: of its services the first that is not 0. When one ends, whatever for, all of them do, in
    order: who started the process starts all of it again.

    Raises what the first one raises that does.
    """
    if len(services) == 1:
        return await _serve(services[0], layers, given, stop)
    if STORER in services:
        # To load it holds up the whole process, once: now nobody has a lease that would run out meanwhile.
        from marketprism_services.wiring.store import engines_of  # noqa: PLC0415 (only who stores)

        await unless(stop, engines_of(given).preload())
    codes: list[int] = []
    errors: list[Exception] = []

    async def serve(name: str) -> None:
        logs.log_as(name, level=given.log.level)
        try:
            codes.append(await _serve(name, layers, given, stop))
        except Exception as error:
            if errors:
                log.error("service.failed", error=reason_of(error), exc_info=error)  # noqa: TRY400 (as its tasks do)
            errors.append(error)
        finally:
            stop.set()

    await asyncio.gather(*(asyncio.create_task(serve(name), name=f"serve-{name}") for name in services))
    if errors:
        raise errors[0]
    return next(filter(None, codes), Exit.OK)


async def _claim(service_name: str, connection: NatsConnection, settings: Settings) -> None:
    """Refuse what would mix data that do not belong together, before anything of it is made."""
    if service_name not in (READER, STORER):
        return
    from marketprism_services.platform import data_contents, store_folder  # noqa: PLC0415 (only who reads, or stores)

    if service_name == READER:
        await data_contents.claim_pipeline(connection, settings)
    else:
        await store_folder.claim_store(connection, settings)


async def _confirm(service: Service, settings: Settings) -> None:
    """Once a storage can be seen by others, make sure that none of them has claimed its place before."""
    from marketprism_services.platform import store_folder  # noqa: PLC0415 (only who stores)

    await store_folder.until_registered(service.connection, service.name, service.instance)
    await _once_nats_answers(lambda: store_folder.confirm_store(service.connection, settings))


def service_of(name: str, settings: Settings, connection: NatsConnection, appliers: Appliers | None = None) -> Service:
    """A service by its settings, made and not started; `appliers` get what it applies while it runs.

    Raises:
        SettingsError: the service refuses one of them; it would do so at the next start as well.
        SourceError: the source of a gateway cannot be made.
    """
    from marketprism_services.platform.container import Container  # noqa: PLC0415 (heavy: only when a service runs)

    try:
        return Container(settings, connection, appliers or Appliers()).service(name)
    except (ConfigurationError, InvalidValue) as error:
        raise SettingsError(f"setting {error}") from error


async def _once_nats_answers(work: Callable[[], Awaitable[T]]) -> T:
    """What is done with NATS at a start, which may be away, or without a leader, for half a minute."""
    return await patiently(
        work,
        lambda error: isinstance(error, SdkError) and error.retryable,
        _START_ATTEMPTS,
        lambda error: log.warning("nats.unreachable", error=reason_of(error), detail="waiting until it answers"),
    )


def run_services(services: Sequence[str], layers: Layers) -> int:
    """Exit code of a process of these services that ran to its end.

    Raises:
        SettingsError: one of them cannot run with these settings.
    """
    settings = layers.settings()
    if READER in services and settings.source.spec == NO_SOURCE:
        raise SettingsError("source.spec: expected what the gateway reads, like --source sim, was none")
    check_limit((FEWEST if STORER in services else FEWEST_WITHOUT_STORE) + FEWEST_MORE * (len(services) - 1))
    os.umask(UMASK)
    logs.configure(level=settings.log.level, form=settings.log.format, service=name_of(services))
    warn_of_open_files(Settings)
    for name in services:
        wiring_of(row_of(name))  # imported here: inside the loop it would hold up the connections
    return run(lambda stop: _serve_all(services, layers, settings, stop), settings.drain_s, services=len(services))
