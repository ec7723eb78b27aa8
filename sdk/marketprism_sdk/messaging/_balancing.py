"""Calls that find an instance: the leader of a single-active service, or one of many with outliers left out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from marketprism_sdk.clock import Clock, SystemClock
from marketprism_sdk.errors import (
    ConfigurationError,
    DeadlineExceeded,
    NoResponders,
    NotActive,
    NotConnected,
    RemoteError,
    SdkError,
)
from marketprism_sdk.messaging._registry import Discovery, InstanceRecord
from marketprism_sdk.messaging._rpc import PING, RpcClient, decode_reply, until_s
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.resilience import Backoff

log = get_logger(__name__)

_UNREACHABLE = (NoResponders, NotConnected, DeadlineExceeded)


class LeaderClient:
    """Calls the leader of a single-active service and stays with it.

    A standby's NOT_ACTIVE names the leader: it is asked next. Nobody there or nobody leading is waited for with backoff
    and jitter until the deadline. A call whose answer did not come may have been done: it is repeated only where it is
    said to be idempotent. Such a call does not wait out a leader that dies while it works: it goes to an instance by
    its name, which is asked for where nobody is known, and every `look_s` that instance is asked whether it is still
    there. `known` says who leads as far as somebody else knows, like `Discovery.leader`.
    Where the answer may take long but a leader should be there, `wait_s` is how long one is waited for.
    """

    def __init__(
        self,
        calls: RpcClient,
        service: str,
        *,
        backoff: Backoff | None = None,
        clock: Clock | None = None,
        look_s: float = 1.0,
        wait_s: float | None = None,
        known: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._calls = calls
        self._known = known
        self._service = service
        self._backoff = backoff or Backoff(first_s=0.02, longest_s=0.5)
        self._clock = clock or SystemClock()
        self._look_s = look_s
        self._wait_s = wait_s
        self.leader: str | None = None

    async def call(self, method: str, request: Any = None, *, timeout_s: float = 5.0, idempotent: bool = False) -> Any:
        """Answer of the leader; raises as `call_raw` does."""
        data = await self.call_raw(method, msgspec.msgpack.encode(request), timeout_s=timeout_s, idempotent=idempotent)
        return decode_reply(data, f"{self._service}.{method}")

    async def call_raw(self, method: str, data: bytes, *, timeout_s: float = 5.0, idempotent: bool = False) -> bytes:
        """Answer of the leader, bytes in and bytes out.

        Raises:
            NotActive, NoResponders: nobody led until the deadline, or for `wait_s`.
            DeadlineExceeded: the leader did not answer.
            NotConnected: NATS was away until the deadline. What the leader raised.
        """
        end = until_s(self._clock, timeout_s)
        patient_until = end if self._wait_s is None else min(end, self._clock.monotonic_s() + self._wait_s)
        attempt = 0
        self.leader = self.leader or self._known()
        while True:
            attempt += 1
            left_s = max(0.001, end - self._clock.monotonic_s())
            # A leader that hangs must leave time to ask the next one, where it may be asked twice.
            share_s = left_s / 2 if idempotent and attempt == 1 else left_s
            try:
                return await self._ask(method, data, share_s, watched=idempotent)
            except NotActive as error:
                # An answer that names the one that was asked is from before its own news: ask anybody.
                self.leader = error.leader if error.leader != self.leader else None
                failure: Exception = error
            except (NoResponders, NotConnected) as error:
                if isinstance(error, NotConnected) and error.sent and not idempotent:
                    raise
                self.leader, failure = None, error
            except DeadlineExceeded as error:
                self.leader = None
                if not idempotent:
                    raise
                failure = error
            pause_s = self._backoff.pause_s(attempt)
            if self._clock.monotonic_s() + pause_s >= patient_until:
                raise failure
            await self._clock.sleep(pause_s)

    async def _ask(self, method: str, data: bytes, timeout_s: float, *, watched: bool) -> bytes:
        if watched and self.leader is None:
            asked_s = self._clock.monotonic_s()
            self.leader = await self._anybody(timeout_s)
            timeout_s = max(0.001, timeout_s - (self._clock.monotonic_s() - asked_s))
        leader = self.leader
        call = self._calls.call_raw(self._service, method, data, instance=leader, timeout_s=timeout_s, follow=False)
        if not watched or leader is None:
            return await call
        asking = asyncio.ensure_future(call)
        try:
            while not (await asyncio.wait([asking], timeout=self._look_s))[0]:
                if await self._unanswered(leader) and not asking.done():
                    raise NoResponders(f"{self._service}: its leader {leader} went away before it answered")
            return asking.result()
        finally:
            asking.cancel()

    async def _anybody(self, timeout_s: float) -> str | None:
        """An instance that answers: the leader, or one that names it. None where that is not known so: the call itself
        says why."""
        try:
            name = await self._calls.call(self._service, PING, timeout_s=min(timeout_s, self._look_s))
        except SdkError:
            return None
        return name if isinstance(name, str) else None

    async def _unanswered(self, instance: str) -> bool:
        """Whether the server knows that nobody serves the instance; no answer in time is no sign of death."""
        try:
            await self._calls.call(self._service, PING, instance=instance, timeout_s=self._look_s)
        except NoResponders:
            return True
        except SdkError:
            return False
        return False


@dataclass(frozen=True, slots=True)
class EjectionSettings:
    """An instance that fails `failures` times in a row is left out for `first_s`, twice as long each time again.

    Never more than `share` of the instances are left out: a common cause must not empty the list.
    """

    failures: int = 3
    first_s: float = 1.0
    longest_s: float = 60.0
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.failures < 1 or not 0 < self.first_s <= self.longest_s or not 0 <= self.share <= 1:
            raise ConfigurationError(
                f"ejection: expected failures >= 1, 0 < first_s <= longest_s and share in 0..1, was {self}"
            )


@dataclass(slots=True)
class _Health:
    failures: int = 0
    ejections: int = 0
    until: float = 0.0


class Balancer:
    """Calls one of the instances that the registry knows. `hedged` counts calls that were put to a second one too."""

    def __init__(
        self,
        calls: RpcClient,
        discovery: Discovery,
        service: str,
        *,
        strategy: str = "round-robin",
        settings: EjectionSettings | None = None,
        on_eject: Callable[[str, float], None] = lambda _i, _s: None,
        clock: Clock | None = None,
    ) -> None:
        self._calls = calls
        self._discovery = discovery
        self._service = service
        self._strategy = strategy
        self._settings = settings or EjectionSettings()
        self._on_eject = on_eject
        self._clock = clock or SystemClock()
        self._health: dict[str, _Health] = {}
        self.hedged: int = 0

    def ejected(self) -> set[str]:
        """Instances that are left out now."""
        now = self._clock.monotonic_s()
        return {instance for instance, health in self._health.items() if health.until > now}

    def _usable(self, tried: set[str], fits: Callable[[InstanceRecord], bool]) -> Callable[[InstanceRecord], bool]:
        out = self.ejected() | tried
        return lambda record: record.instance not in out and fits(record)

    async def call(
        self,
        method: str,
        request: Any = None,
        *,
        key: str = "",
        timeout_s: float = 5.0,
        attempts: int = 2,
        idempotent: bool = True,
        hedge_s: float | None = None,
    ) -> Any:
        """Answer of one instance; raises as `call_raw` does."""
        data = await self.call_raw(
            method,
            msgspec.msgpack.encode(request),
            key=key,
            timeout_s=timeout_s,
            attempts=attempts,
            idempotent=idempotent,
            hedge_s=hedge_s,
        )
        return decode_reply(data, f"{self._service}.{method}")

    async def call_raw(
        self,
        method: str,
        data: bytes,
        *,
        key: str = "",
        timeout_s: float = 5.0,
        attempts: int = 2,
        idempotent: bool = True,
        hedge_s: float | None = None,
        fits: Callable[[InstanceRecord], bool] = lambda _: True,
    ) -> bytes:
        """Answer of one instance that `fits`, bytes in and bytes out; an idempotent call that reached nobody goes
        to another next.

        With `hedge_s` an idempotent call that has no answer after so many seconds is put to a second instance too: the
        first answer counts, the other call is cancelled. Of an instance that was outrun three times in a row the
        balancer thinks as of one that failed.

        Raises:
            NoResponders: no instance is known. ConfigurationError: of the service only a leader works.
            What the last attempt raised.
        """
        end = until_s(self._clock, timeout_s)
        tried: set[str] = set()
        for attempt in range(1, attempts + 1):
            record = self._pick(key, tried, fits)
            left_s = max(0.001, (end - self._clock.monotonic_s()) / (attempts - attempt + 1))
            try:
                if hedge_s is None or not idempotent:
                    return await self._once(record, method, data, left_s)
                return await self._hedged(record, method, data, left_s, key, tried, hedge_s, fits)
            except Exception as error:
                again = isinstance(error, NoResponders) or (idempotent and isinstance(error, _UNREACHABLE))
                if not again or attempt == attempts:
                    raise
                tried.add(record.instance)
        raise AssertionError("unreachable")

    def _pick(self, key: str, tried: set[str], fits: Callable[[InstanceRecord], bool]) -> InstanceRecord:
        record = self._discovery.pick(self._service, self._strategy, key, self._usable(tried, fits))
        if record is None:
            record = self._discovery.pick(self._service, self._strategy, key, fits)  # all are out: better one than none
        if record is None:
            raise NoResponders(f"{self._service}: expected an instance in the registry, there is none")
        if record.single_active:
            raise ConfigurationError(
                f"{self._service}: expected a service whose instances all work, of this one only the leader does: "
                "use LeaderClient"
            )
        return record

    async def _once(self, record: InstanceRecord, method: str, data: bytes, timeout_s: float) -> bytes:
        try:
            answer = await self._calls.call_raw(
                self._service, method, data, instance=record.instance, timeout_s=timeout_s
            )
        except Exception as error:
            if isinstance(error, _UNREACHABLE) or (isinstance(error, RemoteError) and error.retryable):
                self._failed(record.instance)
            raise
        self._health.pop(record.instance, None)
        return answer

    async def _hedged(
        self,
        record: InstanceRecord,
        method: str,
        data: bytes,
        timeout_s: float,
        key: str,
        tried: set[str],
        hedge_s: float,
        fits: Callable[[InstanceRecord], bool],
    ) -> bytes:
        end = self._clock.monotonic_s() + timeout_s
        first = asyncio.ensure_future(self._once(record, method, data, timeout_s))
        running = {first}
        try:
            await asyncio.wait(running, timeout=min(hedge_s, timeout_s))
            if first.done():
                return await first
            other = self._discovery.pick(
                self._service, self._strategy, key, self._usable({*tried, record.instance}, fits)
            )
            if other is None:
                return await first
            self.hedged += 1
            left_s = max(0.001, end - self._clock.monotonic_s())
            running.add(asyncio.ensure_future(self._once(other, method, data, left_s)))
            waiting = set(running)
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                answered = next((each for each in done if each.exception() is None), None)
                if answered is not None:
                    if answered is not first and not first.done():
                        self._failed(record.instance)
                    return answered.result()
            return first.result()
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _failed(self, instance: str) -> None:
        health = self._health.setdefault(instance, _Health())
        health.failures += 1
        if health.failures < self._settings.failures:
            return
        known = {record.instance for record in self._discovery.instances(self._service)}
        out = (self.ejected() & known) | {instance}
        if len(out) > self._settings.share * max(1, len(known)):
            return
        health.failures = 0
        health.ejections += 1
        seconds = min(self._settings.longest_s, self._settings.first_s * 2.0 ** (health.ejections - 1))
        health.until = self._clock.monotonic_s() + seconds
        self._on_eject(instance, seconds)
        log.warning("instance.ejected", service=self._service, instance=instance, seconds=seconds)
