"""Time and chance of the standard library, from the simulated loop.

`install` comes before the product is imported: a default argument keeps the function that it finds, and that has to be
one which knows whether a schedule runs.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.loop import SimulatedLoop

BEGIN_NS = 1_767_225_600_000_000_000  # 2026-01-01 UTC: what the wall clock says when a schedule begins


class _Active:
    """The loop of the schedule that runs, and its chance."""

    loop: SimulatedLoop | None = None
    others: frozenset[int] = frozenset()  # threads that were there before it, as those of tests before it
    chance: random.Random = random.Random(0)
    skew_ns: Callable[[], int] = staticmethod(lambda: 0)
    number: Callable[[], int] = staticmethod(lambda: 1)


def _or_true(name: str, simulated_one: Callable[..., Any], place: Any = time) -> Callable[[], None]:
    true_one = getattr(place, name)

    def asked(*arguments: Any) -> Any:
        if _Active.loop is None or threading.get_ident() in _Active.others:
            return true_one(*arguments)
        return simulated_one(*arguments)

    setattr(place, name, asked)
    return lambda: setattr(place, name, true_one)


def _now_s(*_: object) -> float:
    assert _Active.loop is not None
    return _Active.loop.now_s


def _wall_ns() -> int:
    return BEGIN_NS + int(_now_s() * 1e9) + _Active.skew_ns()


def _number() -> int:
    return _Active.number()


def _bytes(size: int) -> bytes:
    return _Active.chance.randbytes(size)


def _asleep(seconds: float) -> None:
    raise AssertionError(f"a thread would sleep for {seconds} s")


def install() -> list[Callable[[], None]]:
    """Let clocks and chance be a schedule's for as long as one runs. Once in a process that does nothing else, or with
    a call of all that comes back behind it: the true ones."""
    return [
        _or_true("time", lambda: _wall_ns() / 1e9),
        _or_true("time_ns", _wall_ns),
        _or_true("monotonic", _now_s),
        _or_true("monotonic_ns", lambda: int(_now_s() * 1e9)),
        _or_true("perf_counter", _now_s),
        _or_true("perf_counter_ns", lambda: int(_now_s() * 1e9)),
        _or_true("clock_gettime", _now_s),
        _or_true("sleep", _asleep),
        _or_true("urandom", _bytes, os),
        _or_true("_urandom", _bytes, random),
        _or_true("getpid", _number, os),
        _or_true("token_hex", lambda size=16: _bytes(size).hex(), secrets),
    ]


@contextlib.contextmanager
def lent() -> Iterator[None]:
    """`install`, taken back at the end: for a test among others."""
    chance, back = random.getstate(), install()
    try:
        yield
    finally:
        for each in back:
            each()
        random.setstate(chance)


@contextlib.contextmanager
def simulated(loop: SimulatedLoop, skew_ns: Callable[[], int], number: Callable[[], int] = lambda: 1) -> Iterator[None]:
    """A schedule runs. How far the wall clock of who asks is off, and the number of its process."""
    _Active.loop, _Active.skew_ns, _Active.number = loop, staticmethod(skew_ns), staticmethod(number)
    _Active.others = frozenset(each.ident or 0 for each in threading.enumerate()) - {threading.get_ident()}
    _Active.chance = random.Random(loop.dice.random())
    random.seed(loop.dice.random())
    try:
        yield
    finally:
        _Active.loop = None
