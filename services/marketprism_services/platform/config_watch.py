"""Follows central configuration in a process: read before the service is made, taken while it runs, confirmed.

A change is heard through the bucket's watch; the bucket is read every few seconds besides, for whoever missed it. What
was taken is written to `<data_dir>/config/<service>.json`, from which a process starts that does not reach NATS in
time. The registry entry of the instance says which version it has.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import structlog

from marketprism_adapters.nats.config_log import ConfigLog
from marketprism_application.contracts.config_records import (
    CHECK_CONFIG,
    CONFIG_GIVEN,
    PENDING_KEY,
    PINNED_KEY,
    REFUSED_KEY,
    VERSION_KEY,
    CentralLayer,
    ConfigProposal,
    ConfigVerdict,
    ValueGiven,
)
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.private_files import private_folder, write_private
from marketprism_sdk.service import rpc
from marketprism_services.platform.config_follower import ConfigFollower, Standing, follower_of
from marketprism_services.settings.layers import Layers
from marketprism_services.wiring.appliers import Appliers

if TYPE_CHECKING:
    from marketprism_sdk.service import Service

log = structlog.get_logger()

START_S = 2.0  # a start waits so long for the bucket
_LOOK_S = 5.0  # a bucket that was deleted is told by nobody
_READY_LOOK_S = 0.05


class LastGood(NamedTuple):
    """The copy on disk of what a service has taken last. Its methods block."""

    path: Path

    @classmethod
    def of(cls, data_dir: Path, service: str) -> LastGood:
        """That of a service."""
        return cls(data_dir / "config" / f"{service}.json")

    def read(self) -> CentralLayer | None:
        """What it holds; None for no file, or one that is none of ours."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=CentralLayer)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("config.copy_unreadable", path=str(self.path), error=reason_of(error))
            return None

    def write(self, layer: CentralLayer) -> None:
        """Keep a layer. A disk that does not take it is named, and nothing else happens."""
        try:
            private_folder(self.path.parent)
            write_private(self.path, msgspec.json.format(msgspec.json.encode(layer)).decode())
        except OSError as error:
            log.warning("config.copy_not_written", path=str(self.path), error=reason_of(error))


async def first_layer(connection: NatsConnection) -> CentralLayer | None:
    """The layer in force; None where nobody answers within two seconds. Before the first change it is empty."""
    try:
        async with asyncio.timeout(START_S):
            return (await ConfigLog.existing(connection).current()).layer
    except (SdkError, TimeoutError) as error:
        log.warning("config.not_read", error=reason_of(error), detail="the copy on disk is used, if there is one")
        return None


async def follower_at_start(
    connection: NatsConnection, layers: Layers, service: str, appliers: Appliers
) -> ConfigFollower:
    """What a process starts with: the layer in force, else the last good copy on disk, else neither. An empty bucket
    beside a copy has been lost, and what was set does not go with it.

    Raises:
        SettingsError: what the process is given otherwise cannot be.
    """
    copy = LastGood.of((await asyncio.to_thread(layers.settings)).data_dir, service)
    found, kept = await first_layer(connection), await asyncio.to_thread(copy.read)
    lost = found is not None and not found.version and kept is not None
    if lost:
        log.warning("config.bucket_lost", detail="the copy on disk is used", path=str(copy.path))
    candidates = [each for each in ((kept, found) if lost else (found, kept)) if each is not None]
    follower = await asyncio.to_thread(follower_of, layers, service, appliers, *candidates)
    standing = follower.standing
    if standing.refusal:
        log.error("config.refused", error=standing.refusal, running=standing.version)
    elif standing.version:
        log.info("config.started_with", version=standing.version, from_disk=found is None or lost)
    return follower


class ConfigWatch:
    """Takes what is put into force, for a service that is made and not started. It answers `config_check` and
    `config_given`."""

    def __init__(self, service: Service, follower: ConfigFollower, copy: LastGood) -> None:
        self._service = service
        self._follower = follower
        self._copy = copy
        self._log = ConfigLog.existing(service.connection)
        self._newest: CentralLayer | None = None
        self._heard = asyncio.Event()
        self._written: CentralLayer | None = None
        self._refused = 0  # the version that was refused last, so that it is in the log once
        self._older = 0  # readings in a row of a version before the one that runs
        follower.instance = service.instance
        service.mount(self)
        service.http.check("config", self._health)
        service.http.status(self._status)
        service.metrics.watch("config_version", lambda: float(follower.standing.version))
        service.metrics.watch("config_pending", lambda: float(len(follower.standing.pending)))
        service.spawn(self._run(), "config")

    @rpc(CHECK_CONFIG)
    async def check(self, proposal: ConfigProposal) -> ConfigVerdict:
        """Whether this instance would take other central values, and which of them when."""
        return await asyncio.to_thread(self._follower.judge, proposal.values)

    @rpc(CONFIG_GIVEN)
    async def given(self, _: object) -> dict[str, ValueGiven]:
        """What this instance runs with of each setting that is given anywhere, by name."""
        return await asyncio.to_thread(self._follower.given)

    async def _health(self) -> str:
        refusal = self._follower.standing.refusal
        return f"degraded: central configuration refused: {refusal}" if refusal else "healthy"

    def _status(self) -> dict[str, object]:
        standing = self._follower.standing
        return {
            "config": {
                "version": standing.version,
                "pending": list(standing.pending),
                "pinned": list(standing.pinned),
                "refused": standing.refusal,
            }
        }

    async def _run(self) -> None:
        # What cannot be asked yet must not say that it follows.
        while not self._service.http.ready:  # noqa: ASYNC110 (a service says it by no event)
            await asyncio.sleep(_READY_LOOK_S)
        stop = await self._log.watch(self._hear)
        forget = self._service.connection.on_reconnect(self._heard.set)
        try:
            await self._confirm()
            while True:
                await self._look()
                self._heard.clear()
                if self._newest is None:
                    await self._until_changed()
        finally:
            forget()
            await stop()

    def _hear(self, layer: CentralLayer) -> None:
        self._newest = layer
        self._heard.set()

    async def _until_changed(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._heard.wait()
        except TimeoutError:
            return

    async def _look(self) -> None:
        """Take what was heard, or else what is read."""
        layer, self._newest = self._newest, None
        if layer is None:
            try:
                layer = (await self._log.current()).layer
            except SdkError as error:
                log.debug("config.not_read", error=reason_of(error), detail="what is running holds")
                return
            self._older = self._older + 1 if layer.version < self._follower.standing.version else 0
        running = self._follower.standing.version
        # A reading may be of a moment before what was heard. Twice in a row it is not: the bucket was made anew. An
        # empty one changes nothing.
        if layer.version > running or (layer.version and self._older > 1):
            await self._take(layer)
        elif layer.version == running and self._written is None:
            await self._keep(layer)

    async def _take(self, layer: CentralLayer) -> None:
        try:
            plan = await asyncio.to_thread(self._follower.plan, layer.values)
            self._follower.take(layer.version, plan)
        except Exception as error:  # noqa: BLE001 (an applier of a service: what runs holds, and the service with it)
            reason = f"version {layer.version}: {reason_of(error)}"
            self._follower.refuse(reason)
            if self._refused != layer.version:
                self._refused = layer.version
                log.error("config.refused", error=reason, running=self._follower.standing.version)  # noqa: TRY400
                await self._confirm()
            return
        standing = self._follower.standing
        log.info("config.applied", version=layer.version, applied=list(plan.applied), pending=list(standing.pending))
        await self._confirm()
        await self._keep(layer)

    async def _keep(self, layer: CentralLayer) -> None:
        self._written = layer
        if layer.version:
            await asyncio.to_thread(self._copy.write, layer)

    async def _confirm(self) -> None:
        """Say in the registry what is running."""
        if self._service.registration is not None:
            await self._service.registration.update(metadata=metadata_of(self._follower.standing))


def metadata_of(standing: Standing) -> dict[str, object]:
    """What the registry entry of an instance says of its central configuration."""
    return {
        VERSION_KEY: standing.version,
        PENDING_KEY: list(standing.pending),
        PINNED_KEY: list(standing.pinned),
        REFUSED_KEY: standing.refusal[:500],
    }


__all__ = ["ConfigWatch", "LastGood", "first_layer", "follower_at_start", "metadata_of"]
