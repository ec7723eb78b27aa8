"""Leader election: an observed lease, a probe that sees a dead leader at once, and an epoch for fencing.

Guarantees: epochs only grow, and no two holders ever have the same one. Within its lease a leader is the only one that
believes it leads, as far as clocks run at the same rate (2 % is allowed for). NOT guaranteed: that a deposed leader
stops at once. A process that is frozen while it writes can write late; so every write of a leader carries its epoch or
a fence, and the stream refuses the late one (`fence.py`, `stage.py`). The lease gives liveness, the fence safety.

Only changes that are observed on the own monotonic clock count; times written by others are never compared. The key is
never deleted: its value holds the epoch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from marketprism_sdk.clock import Clock, SystemClock
from marketprism_sdk.errors import KeyExists, RevisionConflict, SdkError
from marketprism_sdk.lease import (
    CLOCK_SLACK,
    LeaseAcquired,
    LeaseLost,
    LeaseRecord,
    LeaseReleased,
    LeaseRenewed,
    LeaseSettings,
    Prober,
    Role,
)
from marketprism_sdk.ports import KeyValue

log = structlog.get_logger()


async def _no_hook(_: Any) -> None:
    return None


class Election:
    """One candidate of one key. `run` until cancelled; `release` gives the lease back."""

    def __init__(
        self,
        kv: KeyValue,
        key: str,
        holder: str,
        *,
        settings: LeaseSettings | None = None,
        clock: Clock | None = None,
        prober: Prober | None = None,
        endpoint: str = "",
        on_acquired: Callable[[int], Awaitable[None]] = _no_hook,
        on_lost: Callable[[str], Awaitable[None]] = _no_hook,
        on_event: Callable[[object], None] = lambda _: None,
    ) -> None:
        self._kv = kv
        self.key = key
        self.holder = holder
        self._settings = settings or LeaseSettings()
        self._clock = clock or SystemClock()
        self._prober = prober
        self._endpoint = endpoint
        self._on_acquired = on_acquired
        self._on_lost = on_lost
        self._on_event = on_event
        self.role = Role.STANDBY
        self.epoch = 0
        self._revision = 0
        self._seen: LeaseRecord | None = None
        self._seen_revision = -1
        self._seen_at = 0.0
        self._valid_until = 0.0
        self._releasing = False
        self._surrender: str | None = None
        self._rest_until = 0.0
        self._activation: asyncio.Task[None] | None = None

    def is_leader(self) -> bool:
        """Whether the lease is held and has not run out on the own clock."""
        return self.role is Role.LEADER and self._clock.monotonic_s() < self._valid_until

    def leader(self) -> str | None:
        """Who leads, as last seen."""
        if self._seen is None or self._seen.state != "held":
            return None
        return self._seen.holder

    @property
    def record(self) -> LeaseRecord | None:
        """The key as last seen."""
        return self._seen

    def surrender(self, reason: str) -> None:
        """A write was refused: somebody else leads. Ends the leadership at the next turn of the loop."""
        self._surrender = reason

    async def run(self) -> None:
        """Campaign, lead, campaign again. One task and one state machine: nothing else ever writes the key."""
        try:
            while not self._releasing:
                if self.role is Role.LEADER:
                    await self._lead()
                else:
                    await self._stand_by()
        finally:
            if self.role is Role.LEADER:
                await self._step_down("stopped")

    async def release(self) -> None:
        """Give the lease back, so that a standby takes over at once."""
        self._releasing = True
        if self.role is not Role.LEADER:
            return
        epoch = self.epoch
        await self._step_down("released")
        try:
            record = LeaseRecord(self.holder, epoch, "released", self._endpoint)
            await self._kv.update(self.key, msgspec.msgpack.encode(record), self._revision)
            self._on_event(LeaseReleased(self.key, self.holder, epoch))
        except SdkError as error:
            log.warning("lease not given back, it will run out", key=self.key, error=str(error))

    # -- standby ---------------------------------------------------------------------------------------------------

    async def _stand_by(self) -> None:
        pause = self._settings.probe_s if self._prober is not None else self._settings.heartbeat_s / 2
        try:
            await self._observe()
            if self._clock.monotonic_s() >= self._rest_until and await self._vacant():
                await self._campaign()
                return
        except SdkError as error:
            # Not knowing is not knowing: the expiry is measured anew from when the key can be read again.
            self._seen_at = self._clock.monotonic_s()
            log.debug("lease not readable", key=self.key, error=str(error))
            pause = self._settings.heartbeat_s
        await self._clock.sleep(pause)

    async def _observe(self) -> None:
        entry = await self._kv.get(self.key)
        now = self._clock.monotonic_s()
        revision = entry.revision if entry is not None else 0
        if revision != self._seen_revision:
            self._seen_revision = revision
            self._seen_at = now
            self._seen = msgspec.msgpack.decode(entry.value, type=LeaseRecord) if entry is not None else None

    async def _vacant(self) -> bool:
        seen = self._seen
        if seen is None or seen.state == "released":
            return True
        if self._clock.monotonic_s() - self._seen_at > self._settings.lease_s * CLOCK_SLACK:
            return True
        if self._prober is None:
            return False
        for _ in range(self._settings.probes):
            if not await self._prober.gone(seen.epoch, self._settings.probe_timeout_s):
                return False
        return True

    async def _campaign(self) -> None:
        seen, before = self._seen, self._seen_at
        epoch = (seen.epoch if seen is not None else 0) + 1
        value = msgspec.msgpack.encode(LeaseRecord(self.holder, epoch, "held", self._endpoint))
        sent = self._clock.monotonic_s()
        try:
            if self._seen_revision == 0:
                self._revision = await self._kv.create(self.key, value)
            else:
                self._revision = await self._kv.update(self.key, value, self._seen_revision)
        except (KeyExists, RevisionConflict):
            return  # somebody else was first; the next observation tells who
        self.epoch = epoch
        self.role = Role.LEADER
        self._surrender = None
        self._valid_until = sent + self._settings.lease_s
        self._seen = LeaseRecord(self.holder, epoch, "held", self._endpoint)
        self._seen_revision = self._revision
        if self._prober is not None:
            await self._prober.serve(epoch)
        takeover_s = sent - before if before else 0.0
        log.info("lease acquired", key=self.key, holder=self.holder, epoch=epoch)
        self._on_event(LeaseAcquired(self.key, self.holder, epoch, takeover_s))
        self._activation = asyncio.get_running_loop().create_task(self._activate(epoch))

    async def _activate(self, epoch: int) -> None:
        try:
            await self._on_acquired(epoch)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("activation failed, giving the lease back", key=self.key, epoch=epoch)
            self._rest_until = self._clock.monotonic_s() + 2 * self._settings.lease_s
            self._surrender = f"activation failed: {error}"

    # -- leader ----------------------------------------------------------------------------------------------------

    async def _lead(self) -> None:
        due = self._clock.monotonic_s() + self._settings.heartbeat_s
        while self._clock.monotonic_s() < due:
            if self._releasing:
                return
            if self._surrender is not None:
                await self._give_up(self._surrender)
                return
            await self._clock.sleep(min(0.05, self._settings.heartbeat_s))
        await self._renew(due)

    async def _give_up(self, reason: str) -> None:
        """End the leadership of one's own accord, and free the key if it is still one's own."""
        epoch = self.epoch
        await self._step_down(reason)
        record = LeaseRecord(self.holder, epoch, "released", self._endpoint)
        try:
            await self._kv.update(self.key, msgspec.msgpack.encode(record), self._revision)
        except SdkError as error:
            log.debug("lease was not one's own any more", key=self.key, error=str(error))

    async def _renew(self, due: float) -> None:
        sent = self._clock.monotonic_s()
        value = msgspec.msgpack.encode(LeaseRecord(self.holder, self.epoch, "held", self._endpoint))
        try:
            self._revision = await asyncio.wait_for(
                self._kv.update(self.key, value, self._revision), max(0.05, self._valid_until - sent)
            )
        except RevisionConflict:
            await self._check_own()
            return
        except (SdkError, TimeoutError) as error:
            log.warning("lease not renewed", key=self.key, error=str(error))
            if self._clock.monotonic_s() >= self._valid_until:
                await self._lapsed()
            return
        self._seen_revision = self._revision
        self._valid_until = sent + self._settings.lease_s
        self._on_event(LeaseRenewed(self.key, self.holder, self.epoch, max(0.0, sent - due)))

    async def _check_own(self) -> None:
        """The key moved on: by an own renewal whose answer was lost, or because somebody else leads."""
        entry = await self._kv.get(self.key)
        record = msgspec.msgpack.decode(entry.value, type=LeaseRecord) if entry is not None else None
        if entry is not None and record is not None and (record.holder, record.epoch) == (self.holder, self.epoch):
            self._revision = entry.revision
            return
        await self._step_down(f"{record.holder if record else 'nobody'} leads")

    async def _lapsed(self) -> None:
        """The lease ran out while NATS was away. Nobody can have won meanwhile without a record: resume if it is ours.

        Until the key can be read, `is_leader` is False and side effects that no stream fences must stop.
        """
        try:
            entry = await self._kv.get(self.key)
        except SdkError:
            return
        record = msgspec.msgpack.decode(entry.value, type=LeaseRecord) if entry is not None else None
        if entry is None or record is None or (record.holder, record.epoch) != (self.holder, self.epoch):
            await self._step_down(f"{record.holder if record else 'nobody'} leads")
            return
        self._revision = entry.revision
        if self._prober is not None:
            await self._prober.serve(self.epoch)

    async def _step_down(self, reason: str) -> None:
        epoch = self.epoch
        self.role = Role.STANDBY
        self._valid_until = 0.0
        self._seen_revision = -1
        self._surrender = None
        if self._prober is not None:
            await self._prober.stop()
        if self._activation is not None and not self._activation.done():
            self._activation.cancel()
        log.info("lease ended", key=self.key, holder=self.holder, epoch=epoch, reason=reason)
        self._on_event(LeaseLost(self.key, self.holder, epoch, reason))
        try:
            await asyncio.wait_for(self._on_lost(reason), self._settings.hook_s)
        except TimeoutError:
            log.exception("deactivation did not end in time", key=self.key, hook_s=self._settings.hook_s)
