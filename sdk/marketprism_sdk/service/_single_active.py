"""SingleActiveService: of several instances one works, the others stand by."""

from __future__ import annotations

import asyncio
import functools
from typing import Any, ClassVar

from marketprism_sdk.election import LEASES, Election, LeaseAcquired, LeaseLost, LeaseRenewed, LeaseSettings
from marketprism_sdk.errors import NotActive
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.service._handlers import F
from marketprism_sdk.service._service import Service
from marketprism_sdk.service._service_settings import ServiceSettings

log = get_logger(__name__)


def leader_only(function: F) -> F:
    """Only the leader runs this handler of a SingleActiveService; a standby raises NotActive with the leader's id."""

    @functools.wraps(function)
    async def guarded(self: SingleActiveService, *args: Any, **kwargs: Any) -> Any:
        if not self.election.is_active():
            raise NotActive(self.election.leader())
        return await function(self, *args, **kwargs)

    return guarded  # type: ignore[return-value]


class SingleActiveService(Service):
    """Override `on_activate(epoch)` and `on_deactivate(reason)`.

    The election has a connection of its own: a busy data connection must not delay a heartbeat. Whatever the leader
    writes must carry the epoch or a fence, see `election.py` for what a lease cannot promise.

    Runs of jobs are begun by the leader alone, and cut off when it no longer leads; with `jobs_by_any` every instance
    does them, whoever leads.
    """

    jobs_by_any: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        connection: NatsConnection,
        *,
        group: str = "default",
        lease: LeaseSettings | None = None,
        version: str = "0",
        instance: str | None = None,
        settings: ServiceSettings | None = None,
    ) -> None:
        super().__init__(name, connection, version=version, instance=instance, settings=settings)
        self.group: str = group
        self._lease = lease or LeaseSettings()
        self._own: NatsConnection | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self.election: Election

    async def on_activate(self, epoch: int) -> None:
        """This instance leads. An exception gives the lease back."""

    async def on_deactivate(self, reason: str) -> None:
        """This instance no longer leads: stop side effects that no stream fences."""

    async def on_start(self) -> None:
        """Join the election. A subclass that overrides this calls it last."""
        self._own = await self.connection.another(f"{self.name}-election", self._lease.lease_s / 2)
        leaders = await NatsKeyValue.open(self._own, LEASES, replicas=self.settings.replicas)
        key = f"{self.name}.{self.group}"
        self.election = Election(
            leaders,
            key,
            self.instance,
            settings=self._lease,
            prober=NatsProber(self._own, key, self.instance),
            endpoint=f"{self.http.scheme}://{self.settings.http_host}:{self.http.port}",
            on_acquired=self._activated,
            on_lost=self._deactivated,
            on_event=self._measure,
        )
        self.http.check("lease", self._lease_health)
        self.http.status(self._leadership)
        self.metrics.begin("leases_acquired_total", "leases_lost_total", "lease_renewals_late_total")
        self.metrics.watch("leader", lambda: float(self.election.is_leader()))
        self.metrics.watch("lease_epoch", lambda: float(self.election.epoch))
        await self.announce("standby", single_active=True, group=self.group, lease_s=self._lease.lease_s)
        self.spawn(self.election.run(), "election")

    def _leadership(self) -> dict[str, object]:
        return {
            "leads": self.election.is_leader(),
            "leader": self.election.leader() or "",
            "epoch": self.election.epoch,
        }

    async def _activated(self, epoch: int) -> None:
        await self.announce("active", epoch=epoch)
        await self.on_activate(epoch)

    def may_begin_jobs(self) -> bool:
        """The leader does, by its own clock; every instance of a service whose jobs are `jobs_by_any`."""
        return self.jobs_by_any or self.election.is_active()

    async def _deactivated(self, reason: str) -> None:
        if not self.jobs_by_any:
            self.cut_off_jobs(f"{self.instance} no longer leads: {reason}")
        await self.on_deactivate(reason)
        await self.announce("standby")

    async def _lease_health(self) -> str:
        # A leader that could not renew believes what is no longer so.
        believes = self.election.role.value == "leader"
        lost = believes and not self.election.is_leader()
        return "unhealthy: it leads, and could not renew its lease in time" if lost else "healthy"

    def _measure(self, event: object) -> None:
        if isinstance(event, LeaseRenewed):
            # Four a second: counted, and told as an event only when it was late.
            self.metrics.count("lease_renewals_total")
            if event.late_s <= self._lease.heartbeat_s:
                return
            self.metrics.count("lease_renewals_late_total")
        elif isinstance(event, LeaseAcquired):
            self.metrics.count("leases_acquired_total")
            self.metrics.gauge("takeover_seconds", event.takeover_s)
        elif isinstance(event, LeaseLost):
            self.metrics.count("leases_lost_total")
        task = asyncio.get_running_loop().create_task(self.events.try_publish(event))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def on_drain(self) -> None:
        """Give the lease back while everything still works. A subclass that overrides this calls it."""
        await self.election.release()

    async def on_stop(self) -> None:
        """Close the election's connection. A subclass that overrides this calls it."""
        if self._own is not None:
            await self._own.close()
