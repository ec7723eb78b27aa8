"""Leader election: an observed lease, a probe that sees a dead leader at once, and an epoch for fencing.

Guarantees: epochs only grow, and no two holders ever have the same one. Within its lease a leader is the only one that
believes it leads, as far as clocks run at the same rate (2 % is allowed for). NOT guaranteed: that a deposed leader
stops at once. A process that is frozen while it writes can write late, and a probe may take the lease of a leader whose
connection broke while it still believes; so every write of a leader carries a fence, and the stream refuses the late
one (`fence.py`, `stage.py`). The lease gives liveness, the fence safety.

Only changes that are observed on the own monotonic clock count; times written by others are never compared. The key is
never deleted: its value holds the epoch. One task runs the state machine and is the only one that writes the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from marketprism_sdk.clock import Clock, SystemClock, sleep_or
from marketprism_sdk.election._lease import (
    LeaseAcquired,
    LeaseLost,
    LeaseReleased,
    LeaseRenewed,
    LeaseSettings,
    Prober,
    Role,
    decode_lease,
    encode_lease,
)
from marketprism_sdk.election._observation import LeaseObserver
from marketprism_sdk.errors import Fenced, KeyExists, RevisionConflict, SdkError, reason_of
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.observability.outages import Outage
from marketprism_sdk.ports import KeyValue

log = get_logger(__name__)

_SOON_S = 0.001  # timers of a loop are no finer: less is no time to wait, only turns of the loop


async def _no_hook(_: Any) -> None:
    return None


class Election:
    """One candidate of one key. `run` until cancelled; `release` gives the lease back and ends `run`."""

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
        self._wake = asyncio.Event()
        self._observer = LeaseObserver(kv, key, self._settings, self._clock, prober, self._wake.set)
        self.role: Role = Role.STANDBY
        self.epoch: int = 0
        self.replaced: str = ""  # whose lease ran out before this one began; empty where the key was free or given back
        self._revision = 0
        self._valid_until = 0.0
        self._releasing = False
        self._surrender: str | None = None
        self._rest_until = 0.0
        self._activation: asyncio.Task[None] | None = None
        self._running: asyncio.Task[Any] | None = None
        self._pause_s = self._settings.heartbeat_s
        self._in_vain = False  # the last renewal was not taken
        self._outage = Outage(self._clock.monotonic_s)
        self._fenced_below = 0  # an epoch that a fence has seen: a bucket made anew starts above it

    def is_leader(self) -> bool:
        """Whether the lease is held and has not run out on the own clock. Fence what you write all the same."""
        return self.role is Role.LEADER and self._clock.monotonic_s() < self._valid_until

    def leads_for_s(self) -> float:
        """Seconds until the lease runs out on the own clock if it is not renewed; 0 where it is not held."""
        return max(0.0, self._valid_until - self._clock.monotonic_s()) if self.role is Role.LEADER else 0.0

    def is_active(self) -> bool:
        """Whether this leads and `on_acquired` has finished: what a `leader_only` handler needs."""
        return self.is_leader() and self._activation is not None and self._activation.done() and not self._surrender

    def leader(self) -> str | None:
        """Who leads, as last seen."""
        return self._observer.leader()

    def surrender(self, reason: str, fenced_by: int = 0, *, rest_s: float = 0.0) -> None:
        """A write was refused (by a fence of that epoch) or work is not possible here: others go first.

        For `rest_s` this one does not try again, also where there is nobody else: what is not possible would fail as
        fast as it can be tried.
        """
        self._fenced_below = max(self._fenced_below, fenced_by)
        if self.role is Role.LEADER and self._surrender is None:
            self._surrender = reason
            self._rest_until = max(self._rest_until, self._clock.monotonic_s() + rest_s)
            self._wake.set()

    async def run(self) -> None:
        """Campaign, lead, campaign again, until cancelled or released."""
        self._running = asyncio.current_task()
        try:
            while not self._releasing:
                if self.role is Role.LEADER:
                    await self._lead()
                else:
                    await self._stand_by()
        finally:
            self._running = None
            await self._observer.close()
            if self.role is Role.LEADER and not self._releasing:
                await self._step_down("stopped")
                self._on_event(LeaseLost(self.key, self.holder, self.epoch, "stopped"))
        await self._give_back()

    async def release(self) -> None:
        """Give the lease back, so that a standby takes over at once; returns when it is given back."""
        self._releasing = True
        self._wake.set()
        running = self._running
        if running is None or running is asyncio.current_task():
            await self._give_back()
        else:
            await asyncio.wait([running], timeout=self._settings.hook_s + self._settings.lease_s)

    # -- standby ---------------------------------------------------------------------------------------------------

    async def _stand_by(self) -> None:
        pause_s = self._settings.probe_s if self._prober is not None else self._settings.heartbeat_s / 2
        try:
            async with asyncio.timeout(self._settings.lease_s):  # a question that was lost is asked again
                await self._observer.look()
                rest_s = self._rest_until - self._clock.monotonic_s()
                wanted = rest_s <= 0 and (self._unclaimed() or await self._observer.vacant())
        except (SdkError, TimeoutError) as error:
            self._observer.blind()
            log.debug("lease.not_readable", key=self.key, error=reason_of(error))
            await self._rest(self._settings.heartbeat_s / 2)
            return
        if not wanted:
            await self._rest(pause_s)
            return
        try:
            if not await self._campaign():
                await self._rest(0.0)  # somebody else was first: see who, with the key read anew
        except (SdkError, TimeoutError) as error:
            log.debug("lease.not_taken", key=self.key, error=reason_of(error))
            # A bucket that takes no writes gives its leader as little chance as anybody: when it does again, the
            # leader goes first, if there still is one.
            if await self._observer.holder_is_absent():
                self._observer.forget()
                await sleep_or(self._clock, self._settings.heartbeat_s / 2, self._wake)
            else:
                self._observer.blind()
                await self._rest(self._settings.heartbeat_s / 2)

    async def _rest(self, pause_s: float) -> None:
        rest_s = min(pause_s, self._rest_until - self._clock.monotonic_s())
        await sleep_or(self._clock, max(rest_s, self._observer.next_look_s(pause_s)), self._wake)

    def _unclaimed(self) -> bool:
        """Whether the key names this one, which does not lead: a write of its own was taken, and no answer came."""
        return self._observer.leader() == self.holder

    async def _campaign(self) -> bool:
        """One attempt to take the key at the revision that was seen."""
        seen, revision, silent_s = self._observer.record, self._observer.revision, self._observer.silent_s()
        epoch = max(seen.epoch if seen is not None else 0, self._fenced_below, self.epoch) + 1
        value = encode_lease(self.holder, epoch, "held", self._endpoint)
        if self._prober is not None:
            # Before the key names this holder: a peer that reads the key and probes at once must find somebody there.
            await self._prober.serve(epoch)
        sent = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(self._settings.lease_s / 2):
                if revision == 0:
                    self._revision = await self._kv.create(self.key, value)
                else:
                    self._revision = await self._kv.update(self.key, value, revision)
        except (KeyExists, RevisionConflict):
            await self._stop_serving()
            self._observer.forget()
            return False
        except (SdkError, TimeoutError):
            # The outcome is not known. If the write was taken, the key names this holder when it is read again.
            await self._stop_serving()
            raise
        self.replaced = seen.holder if seen is not None and seen.state == "held" and seen.holder != self.holder else ""
        await self._acquired(epoch, self._revision, sent, silent_s)
        return True

    async def _stop_serving(self) -> None:
        if self._prober is not None:
            await self._prober.stop()

    async def _acquired(self, epoch: int, revision: int, sent: float, silent_s: float) -> None:
        self.epoch = epoch
        self.role = Role.LEADER
        self._in_vain = False
        self._outage.ended()  # of a lease before
        self._surrender = None
        self._valid_until = sent + self._settings.lease_s
        self._observer.own(epoch, revision, self.holder)
        log.info("lease.acquired", key=self.key, holder=self.holder, epoch=epoch)
        self._on_event(LeaseAcquired(self.key, self.holder, epoch, silent_s))
        self._activation = asyncio.get_running_loop().create_task(self._activate(epoch))

    async def _activate(self, epoch: int) -> None:
        hook_s = self._settings.hook_s
        try:
            async with asyncio.timeout(hook_s):
                await self._on_acquired(epoch)
        except asyncio.CancelledError:
            raise
        except TimeoutError:
            self._give_up(f"activation failed: expected it to end within {hook_s:g} s")
        except Fenced as error:
            self.surrender(f"activation failed: {reason_of(error)}", error.epoch)
        except Exception as error:
            log.exception("activation.failed", key=self.key, epoch=epoch, detail="the lease is given back")
            self._give_up(f"activation failed: {reason_of(error)}")

    def _give_up(self, reason: str) -> None:
        self.surrender(reason, rest_s=2 * self._settings.lease_s)

    # -- leader ----------------------------------------------------------------------------------------------------

    async def _lead(self) -> None:
        due = self._clock.monotonic_s() + self._pause_s
        while (left_s := due - self._clock.monotonic_s()) > _SOON_S:
            if self._releasing:
                return
            if self._surrender is not None:
                await self._give_back(self._surrender)
                return
            is_told = self._observer.record is not None and self._observer.record.epoch > self.epoch
            if is_told and not self._in_vain:
                break  # a change of the key says that somebody else leads: ask it now, once
            await sleep_or(self._clock, left_s, self._wake)
        await self._renew(due)

    async def _renew(self, due: float) -> None:
        sent = self._clock.monotonic_s()
        value = encode_lease(self.holder, self.epoch, "held", self._endpoint)
        # One lost answer must leave time for another try; a lapsed lease is resumed by the same write.
        patience_s = max(self._settings.heartbeat_s, (self._valid_until - sent) / 2)
        try:
            async with asyncio.timeout(patience_s):
                self._revision = await self._kv.update(self.key, value, self._revision)
        except (SdkError, TimeoutError) as error:
            if not isinstance(error, RevisionConflict) and (attempt := self._outage.failed()):
                log.warning("lease.not_renewed", key=self.key, attempt=attempt, error=reason_of(error))
            self._pause_s, self._in_vain = self._settings.probe_s, True
            await self._check_own(refused=isinstance(error, RevisionConflict))
            return
        self._pause_s, self._in_vain = self._settings.heartbeat_s, False
        lapsed = sent >= self._valid_until
        self._observer.own(self.epoch, self._revision, self.holder)
        self._valid_until = sent + self._settings.lease_s
        ended = self._outage.ended()
        if lapsed:
            log.warning("lease.resumed", key=self.key, epoch=self.epoch)
        elif ended is not None:
            log.info("lease.renewed_again", key=self.key, **ended._asdict())
        self._on_event(LeaseRenewed(self.key, self.holder, self.epoch, max(0.0, sent - due)))

    async def _check_own(self, *, refused: bool) -> None:
        """Whose is the key? It may have moved by an own renewal whose answer was lost.

        That the key is gone, or older than one's own, counts only where the bucket has `refused` the renewal: otherwise
        a replica says so which lags behind, and the next renewal tells.

        While it cannot be read nobody else can have taken it unseen: the next renewal resumes or is refused. Until then
        `is_leader` turns False when the lease ends, and side effects that no stream fences must stop.
        """
        try:
            async with asyncio.timeout(self._settings.lease_s / 2):
                entry = await self._kv.get(self.key)
        except (SdkError, TimeoutError) as error:
            log.debug("lease.not_readable", key=self.key, error=reason_of(error))
            return
        if not refused and (entry is None or entry.revision < self._revision):
            return
        record = decode_lease(entry)
        if entry is None or record is None or (record.holder, record.epoch) != (self.holder, self.epoch):
            reason = f"{record.holder if record else 'nobody'} leads"
            await self._step_down(reason)
            self._on_event(LeaseLost(self.key, self.holder, self.epoch, reason))
            return
        self._revision = max(self._revision, entry.revision)

    # -- the end of a leadership -----------------------------------------------------------------------------------

    async def _give_back(self, reason: str = "") -> None:
        """Step down of one's own accord and free the key, if it is still one's own."""
        if self.role is not Role.LEADER:
            return
        await self._step_down(reason or "released")
        value = encode_lease(self.holder, self.epoch, "released", self._endpoint)
        try:
            await self._kv.update(self.key, value, self._revision)
        except SdkError as error:
            reason = reason or f"not given back, it runs out by itself: {error}"
            log.warning("lease.not_released", key=self.key, error=str(error))
        event: object = LeaseReleased(self.key, self.holder, self.epoch)
        if reason:
            event = LeaseLost(self.key, self.holder, self.epoch, reason)
        self._on_event(event)

    async def _step_down(self, reason: str) -> None:
        """No longer believe, stop what was begun, tell the owner."""
        self.role = Role.STANDBY
        self._valid_until = 0.0
        self._surrender = None
        self._observer.forget()
        await self._stop_serving()
        activation, self._activation = self._activation, None
        hook_s = self._settings.hook_s
        if activation is not None and not activation.done():
            activation.cancel()
            await asyncio.wait([activation], timeout=hook_s)
        log.info("lease.ended", key=self.key, holder=self.holder, epoch=self.epoch, reason=reason)
        try:
            async with asyncio.timeout(hook_s):
                await self._on_lost(reason)
        except TimeoutError:
            log.exception("deactivation.timed_out", key=self.key, hook_s=hook_s)
        except Exception:
            log.exception("deactivation.failed", key=self.key)
