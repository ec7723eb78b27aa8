"""Interfaces of the services that run, asked once for each digest that the registry names.

Nothing that an instance says is believed: it may speak of its own service only, and of so much. What is not taken is
named, in the log and in `GET /api/v1/system`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import structlog

from marketprism_sdk.errors import RemoteError, SdkError, reason_of
from marketprism_sdk.messaging import INTERFACE, Discovery, InstanceRecord, RpcClient, ServiceInterface
from marketprism_sdk.observability import Metrics

log = structlog.get_logger()

_LOOK_S = 0.25
_ASK_S = 2.0
_AT_ONCE = 8
_AGAIN_S, _LONGEST_S, _LONGEST_AWAY_S = 1.0, 60.0, 5.0
_GONE_S = 60.0  # for which a service that has gone is known: 503, not 404
MOST_KNOWN = 256
MOST_BYTES = 262_144
MOST_COMMANDS = 256


class Known(NamedTuple):
    """An interface, and since when no instance of it is there (monotonic seconds, None while one is)."""

    interface: ServiceInterface
    gone_s: float | None


class _Refused(NamedTuple):
    why: str
    until_s: float
    pause_s: float


class Interfaces:
    """Follows the registry. `on_change` is called when what is known has become another."""

    def __init__(
        self, discovery: Discovery, calls: RpcClient, metrics: Metrics, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._discovery = discovery
        self._calls = calls
        self._metrics = metrics
        self._on_change = on_change
        self._known: dict[tuple[str, str], Known] = {}  # in the order in which they were found
        self._refused: dict[tuple[str, str], _Refused] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()
        metrics.watch("interfaces_known", lambda: float(len(self._known)))

    def start(self) -> None:
        """Look from now on."""
        self._task = asyncio.create_task(self._run(), name="interfaces")

    async def stop(self) -> None:
        """Look and ask no more."""
        tasks = [*self._asking.values(), *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def known(self) -> Iterator[ServiceInterface]:
        """Every interface, the one that has been known longest first; with those of services that have just gone."""
        return (each.interface for each in list(self._known.values()))

    def present(self) -> Iterator[ServiceInterface]:
        """Interfaces that an instance has now."""
        return (each.interface for each in list(self._known.values()) if each.gone_s is None)

    def refused(self) -> list[dict[str, str]]:
        """What was not taken, and why."""
        return [{"service": service, "why": each.why} for (service, _), each in self._refused.items()]

    async def _run(self) -> None:
        seen, unsettled = -1, False
        while True:
            self._answered.clear()
            if unsettled or seen != self._discovery.changes:
                seen = self._discovery.changes
                self._look()
                unsettled = self._is_unsettled()
            # With many that wait the next is asked at once: those who only make noise must not keep others waiting.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._answered.wait()

    def _is_unsettled(self) -> bool:
        """Whether the next look may find what the registry does not tell: an answer, a pause or a time that is over."""
        return bool(self._asking or self._refused) or any(each.gone_s is not None for each in self._known.values())

    def _look(self) -> None:
        now = time.monotonic()
        there: dict[tuple[str, str], InstanceRecord] = {}
        for record in self._discovery.instances():
            if record.interface and record.status not in ("failed", "draining"):
                there.setdefault((record.service, record.interface), record)
        changed = self._forget(there, now)
        self._refused = {key: each for key, each in self._refused.items() if key in there}
        for key, record in there.items():
            if key in self._known or key in self._asking or len(self._asking) >= _AT_ONCE:
                continue
            refused = self._refused.get(key)
            if refused is not None and refused.until_s > now:
                continue
            if len(self._known) + len(self._asking) >= MOST_KNOWN and not self._forget_one():
                self._refuse(
                    record, f"interfaces: expected at most {MOST_KNOWN} of all services, were more", _LONGEST_AWAY_S
                )
                continue
            self._asking[key] = asyncio.create_task(self._ask(key, record), name=f"interface of {record.service}")
        if changed:
            self._on_change()

    def _forget(self, there: dict[tuple[str, str], InstanceRecord], now: float) -> bool:
        changed = False
        for key, known in list(self._known.items()):
            if key in there:
                gone_s = None
            else:
                gone_s = now if known.gone_s is None else known.gone_s
                if now - gone_s > _GONE_S:
                    del self._known[key]
                    changed = True
                    continue
            if (gone_s is None) != (known.gone_s is None):
                self._known[key] = Known(known.interface, gone_s)
                changed = True
        return changed

    def _forget_one(self) -> bool:
        """Make room by an interface of which no instance is there any more; False where there is none."""
        gone = next((key for key, known in self._known.items() if known.gone_s is not None), None)
        if gone is not None:
            del self._known[gone]
        return gone is not None

    async def _ask(self, key: tuple[str, str], record: InstanceRecord) -> None:
        try:
            data = await self._calls.call_raw(
                record.service, INTERFACE, b"", instance=record.instance, timeout_s=_ASK_S
            )
            found = _checked(record, data)
        except (SdkError, ValueError) as error:
            # Of an instance that does not answer the next look may find another; a wrong one stays wrong.
            passing = isinstance(error, SdkError) and not isinstance(error, RemoteError)
            before = self._refused.get(key)
            pause_s = _AGAIN_S if before is None else before.pause_s * 2
            self._refuse(record, reason_of(error), min(pause_s, _LONGEST_AWAY_S if passing else _LONGEST_S))
        else:
            self._refused.pop(key, None)
            self._known[key] = Known(found, None)
            log.info("interface.found", service=found.service, version=found.version[:40], digest=record.interface)
            self._on_change()
        finally:
            self._asking.pop(key, None)
            if len(self._asking) == _AT_ONCE - 1:
                self._answered.set()

    def _refuse(self, record: InstanceRecord, why: str, pause_s: float) -> None:
        key = record.service, record.interface
        before = self._refused.get(key)
        self._refused[key] = _Refused(why[:300], time.monotonic() + pause_s, pause_s)
        if before is None or before.why != why[:300]:
            self._metrics.count("interfaces_refused_total")
            log.warning("interface.refused", service=record.service[:80], instance=record.instance[:80], why=why[:300])


def _checked(record: InstanceRecord, data: bytes) -> ServiceInterface:
    """What an instance answered. Raises ValueError: it is not what it may be."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"interface: expected at most {MOST_BYTES} bytes, was {len(data)}")
    try:
        found = msgspec.msgpack.decode(data, type=ServiceInterface)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"interface: expected one, was something else: {reason_of(error)}") from error
    if found.service != record.service:
        raise ValueError(f"interface: expected that of {record.service}, was that of {found.service[:80]!r}")
    if found.digest != record.interface:
        raise ValueError(f"interface: expected the digest {record.interface}, was {found.digest}")
    if len(found.commands) > MOST_COMMANDS:
        raise ValueError(f"commands: expected at most {MOST_COMMANDS}, was {len(found.commands)}")
    return found
