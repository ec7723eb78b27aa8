"""What a standby sees of a lease: when it last changed, and whether its holder is gone."""

from __future__ import annotations

from collections.abc import Callable

from marketprism_sdk.clock import Clock
from marketprism_sdk.election._lease import CLOCK_SLACK, LeaseRecord, LeaseSettings, Prober, decode_lease
from marketprism_sdk.errors import SdkError
from marketprism_sdk.ports import KeyValue, KvEntry, Stop


class LeaseObserver:
    """Follows one key.

    The bucket's changes come by a watch, which is a hint: the key is read again every heartbeat. Silence counts only
    while the key could be read, and a probe only against a holder that has answered one: a peer that comes back from an
    outage a moment earlier than the leader must not take its silence for death.
    """

    def __init__(
        self,
        kv: KeyValue,
        key: str,
        settings: LeaseSettings,
        clock: Clock,
        prober: Prober | None,
        wake: Callable[[], None],
    ) -> None:
        self._kv = kv
        self._key = key
        self._settings = settings
        self._clock = clock
        self._prober = prober
        self._wake = wake
        self._stop: Stop | None = None
        self.record: LeaseRecord | None = None
        self.revision = -1  # nothing is known yet
        self._changed_at = 0.0
        self._read_at = float("-inf")
        self._heard = 0  # epoch whose holder has answered a probe
        self._missed = 0
        self._outages = -1

    def leader(self) -> str | None:
        """Who leads, as last seen."""
        return self.record.holder if self.record is not None and self.record.state == "held" else None

    def silent_s(self) -> float:
        """Seconds since the key was last seen to change."""
        return self._clock.monotonic_s() - self._changed_at if self._changed_at else 0.0

    def next_look_s(self, pause_s: float) -> float:
        """Until the next look: sooner when a probe has just found nobody, and when the lease is about to end."""
        return min(pause_s / 2 if self._missed else pause_s, self.expires_in_s())

    def expires_in_s(self) -> float:
        """Seconds until silence means an ended lease; at least a millisecond."""
        return max(0.001, self._settings.lease_s * CLOCK_SLACK - self.silent_s()) if self.revision >= 0 else 1.0

    async def look(self) -> None:
        """Bring the view up to date. Raises what the bucket raises."""
        if self._stop is None:
            self._stop = await self._kv.watch(self._key, self._hint)
        now = self._clock.monotonic_s()
        if self.revision >= 0 and now - self._read_at < self._settings.heartbeat_s:
            return
        entry = await self._kv.get(self._key)
        now = self._clock.monotonic_s()
        if self._prober is not None and self._prober.outages != self._outages:
            self._outages = self._prober.outages
            self.blind()
        self._read_at = now
        revision = entry.revision if entry is not None else 0
        # A replica may answer with an older state than a hint has told; only a bucket made anew goes back for long.
        if revision > self.revision or (revision < self.revision and self.silent_s() > self._settings.lease_s):
            self._see(revision, decode_lease(entry), now)

    def _hint(self, entry: KvEntry) -> None:
        if entry.key == self._key and not entry.deleted and entry.revision > self.revision >= 0:
            before = self.record
            self._see(entry.revision, decode_lease(entry), self._clock.monotonic_s())
            if (
                before is None
                or self.record is None
                or (before.epoch, before.state) != (self.record.epoch, self.record.state)
            ):
                self._wake()

    def _see(self, revision: int, record: LeaseRecord | None, now: float) -> None:
        self._missed = 0  # whoever writes is there: what was missed before that says nothing any more
        self.revision, self.record, self._changed_at = revision, record, now

    def own(self, epoch: int, revision: int, holder: str) -> None:
        """What the own write has made of the key."""
        self._see(revision, LeaseRecord(holder, epoch, "held"), self._clock.monotonic_s())

    def forget(self) -> None:
        """The view was wrong or is about to be: read the key before anything else."""
        self._read_at = float("-inf")

    def blind(self) -> None:
        """The key could not be read: not knowing is not knowing, silence and probes are counted anew."""
        self._changed_at = self._clock.monotonic_s()
        self._read_at = float("-inf")
        self._heard = self._missed = 0

    async def vacant(self) -> bool:
        """Whether the key is free, its lease has run out, or its holder is known to be gone."""
        record = self.record
        if self.revision >= 0 and (record is None or record.state != "held"):
            return True
        if self.silent_s() > self._settings.lease_s * CLOCK_SLACK:
            # Once more from the source: a watch may have been deaf.
            seen = self.revision
            self.forget()
            await self.look()
            return self.revision == seen and self.silent_s() > self._settings.lease_s * CLOCK_SLACK
        return record is not None and await self._unanswered(record)

    async def holder_is_absent(self) -> bool:
        """Whether the server knows at this moment that nobody serves the holder's subject."""
        record = self.record
        if record is None or record.state != "held":
            return True
        if self._prober is None:
            return False
        try:
            return await self._prober.unanswered(record.epoch, record.holder, self._settings.probe_timeout_s)
        except SdkError:
            return False

    async def _unanswered(self, record: LeaseRecord) -> bool:
        if self._prober is None:
            return False
        asked = self.revision
        try:
            timeout_s = min(self._settings.probe_timeout_s, self.expires_in_s())
            unanswered = await self._prober.unanswered(record.epoch, record.holder, timeout_s)
        except SdkError:
            return False  # no answer in time is no sign of death
        if self.revision != asked:
            return False  # the key was written while this was on its way: its answer is of before that
        if not unanswered:
            self._heard, self._missed = record.epoch, 0
        elif self._heard == record.epoch:
            self._missed += 1
        return self._missed >= self._settings.probes

    async def close(self) -> None:
        """Stop following the key."""
        if self._stop is not None:
            stop, self._stop = self._stop, None
            await stop()
