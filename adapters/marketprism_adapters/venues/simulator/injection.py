"""Faults as they befall a simulated venue: its connections, its requests, its frames."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Set

from aiohttp import WSCloseCode

from marketprism_adapters.venues.simulator.faults import CLOSE_CODES, LEAST_CODE, Armed, Fault
from marketprism_adapters.venues.simulator.session import Session

_GARBAGE: tuple[bytes | str, ...] = (
    "{",
    "[]",
    "null",
    '{"stream":"x@y","data":',
    '{"e":"depthUpdate"}',
    '{"arg":{"channel":"books"},"data":[{}]}',
    '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.X.100ms","data":{"bids":1}}}',
    "\u0000" * 40,
    '{"a":' * 200,
    b"\xff\xfe\xfd",
    b"\x00\x01\x02" * 100,
)
_OF_A_CONNECTION = ("silence", "slow", "garbage", "abort", "close")


class Injection:
    """`plan` is in the order of its times, without an end if need be; `done` are the faults that did something.

    `cannot`: those that nobody could see on this venue, and why.
    """

    def __init__(
        self,
        sessions: Set[Session],
        chance: random.Random,
        faults: Iterable[Fault],
        notice: str,
        cannot: Mapping[str, str],
    ) -> None:
        self.cannot = cannot
        self.done: list[Fault] = []
        self.armed = Armed(self.done)
        self.down_until = 0.0
        self._sessions = sessions
        self._chance = chance
        self.plan = faults
        self._notice = notice
        self._closing: set[asyncio.Task[bool]] = set()

    async def run(self) -> None:
        """Each at its time from now on."""
        started = time.monotonic()
        for fault in self.plan:
            await asyncio.sleep(max(0.0, started + fault.at_s - time.monotonic()))
            self.do(fault)

    def do(self, fault: Fault) -> None:
        """One fault, now. What has nothing to hit yet waits or, where it needs a connection, is left out."""
        if fault.name in self.cannot:
            return
        sessions = list(self._sessions)
        one = self._chance.choice(sessions) if sessions else None
        if fault.name == "maintenance":
            self.done.append(fault)
            self.down_until = time.monotonic() + fault.amount
            for each in sessions:
                if self._notice:
                    each.send(self._notice)
                self.close(each, WSCloseCode.SERVICE_RESTART)
        elif fault.name in _OF_A_CONNECTION:
            if one is not None:
                self.done.append(fault)
                self._strike(one, fault)
        elif fault.name == "mute":
            self.armed.add(fault, 1)
            if one is not None:
                self.close(one, WSCloseCode.GOING_AWAY)
        else:
            self.armed.add(fault, max(1, int(fault.amount)))

    def _strike(self, session: Session, fault: Fault) -> None:
        now = time.monotonic()
        if fault.name == "silence":
            session.silent_until = now + fault.amount
        elif fault.name == "slow":
            session.slow_until = now + fault.amount
        elif fault.name == "garbage":
            for _ in range(int(fault.amount)):
                session.send(self._chance.choice(_GARBAGE))
        elif fault.name == "abort":
            session.abort()
        else:
            any_code = self._chance.choice(CLOSE_CODES)
            self.close(session, int(fault.amount) if fault.amount >= LEAST_CODE else any_code)

    def close(self, session: Session, code: int) -> None:
        """The venue closes a connection; nobody waits for it."""
        task = asyncio.ensure_future(session.socket.close(code=code, message=b"simulated"))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def end(self) -> None:
        """Cancel the closings that are planned, and wait for them."""
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
