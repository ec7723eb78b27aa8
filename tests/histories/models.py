"""What a key of a bucket, a lease and a fenced stream are, one operation after the other.

A revision is the server's number of a write: of one key they only grow, and one that is expected must be the last. A
write of unknown outcome leaves a revision that nobody has been told yet; whoever tells it later, tells it for good.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.histories.operations import FAIL, INFO, OK, Operation


@dataclass(frozen=True, slots=True)
class Key:
    """A key: its value, None where there is none, its revision where it is known, and the highest so far."""

    value: Any = None
    revision: int | None = 0
    highest: int = 0


class Register:
    """A key of a bucket. `get` and `read` give `[value, revision]` or None, writes give their revision; `update` is
    given `[value, revision]`, `delete` nothing or the revision that it expects."""

    initial = Key()

    def step(self, state: Key, operation: Operation) -> Iterable[Key]:
        """The states that an operation may lead to."""
        return getattr(self, f"_{operation.kind}")(state, operation)  # type: ignore[no-any-return]

    @staticmethod
    def seen(state: Key, got: Any) -> Iterable[Key]:
        """The states in which a read gives this."""
        if got is None:
            return (state,) if state.value is None else ()
        value, revision = got
        if value != state.value or not _may_be(state, revision):
            return ()
        return (Key(value, revision, max(revision, state.highest)),)

    def _read(self, state: Key, operation: Operation) -> Iterable[Key]:
        return self.seen(state, operation.got) if operation.outcome == OK else ()

    _get = _read

    def written(self, state: Key, value: Any, operation: Operation) -> Iterable[Key]:
        """The states behind a write that found this one."""
        if operation.outcome == INFO and operation.got is None:
            return (Key(value, None, state.highest),)
        revision = int(operation.got)
        return (Key(value, revision, revision),) if revision > state.highest else ()

    def _put(self, state: Key, operation: Operation) -> Iterable[Key]:
        return () if operation.outcome == FAIL else self.written(state, operation.given, operation)

    def _create(self, state: Key, operation: Operation) -> Iterable[Key]:
        if operation.outcome == FAIL:
            return (state,) if state.value is not None else ()
        return self.written(state, operation.given, operation) if state.value is None else ()

    def _update(self, state: Key, operation: Operation) -> Iterable[Key]:
        value, expected = operation.given
        if operation.outcome == FAIL:
            return (state,) if state.value is None or state.revision != expected else ()
        if state.value is None or not _may_be(state, expected):
            return ()
        known = Key(state.value, expected, max(expected, state.highest))
        return self.written(known, value, operation)

    def _delete(self, state: Key, operation: Operation) -> Iterable[Key]:
        expected = operation.given
        if operation.outcome == FAIL:
            return (state,) if state.value is None or state.revision != expected else ()
        if expected is None:
            return (Key(None, None, state.highest),)
        if state.value is None or not _may_be(state, expected):
            return ()
        return (Key(None, None, max(expected, state.highest)),)


def _may_be(state: Key, revision: int) -> bool:
    """Whether this may be the revision of the state: the one that is known, or any that nobody could know before."""
    return state.revision == revision if state.revision is not None else revision > state.highest


class Lease(Register):
    """The key of a lease: values are `[holder, epoch, state]`, and what may follow on what is the lease's rule.

    Whoever takes it comes with a higher epoch than all before; whoever renews it or gives it back holds it, under the
    epoch under which it was taken.
    """

    def written(self, state: Key, value: Any, operation: Operation) -> Iterable[Key]:
        """As the register, where the lease's rule allows it."""
        holder, epoch, what = value
        before, last, held = state.value or ("", 0, "released")
        takes = what == "held" and epoch > last
        keeps = (holder, epoch) == (before, last) and held == "held"
        return super().written(state, value, operation) if takes or keeps else ()

    @staticmethod
    def seen(state: Key, got: Any) -> Iterable[Key]:
        """As the register; values of JSON are lists."""
        return Register.seen(state, None if got is None else (tuple(got[0]), got[1]))

    def step(self, state: Key, operation: Operation) -> Iterable[Key]:
        """As the register; values of JSON are lists."""
        return super().step(state, _with_tuples(operation))


def _with_tuples(operation: Operation) -> Operation:
    given = operation.given
    if operation.kind == "create":
        given = tuple(given)
    elif operation.kind == "update":
        given = (tuple(given[0]), given[1])
    return Operation(
        operation.process,
        operation.number,
        operation.kind,
        operation.key,
        given,
        operation.outcome,
        operation.got,
        operation.start,
        operation.end,
    )


@dataclass(frozen=True, slots=True)
class Fenced:
    """The fence that a stream holds: epoch, holder and place, None where it is not known."""

    epoch: int = 0
    holder: str = ""
    seq: int | None = None
    last: int = 0  # the place of the last message that is known


class FencedStream:
    """A stream that takes what carries its fence: `raise` is given `[holder, epoch]`, `write` `[epoch, place of its
    fence]`; both give the message's place, and places only grow."""

    initial = Fenced()

    def step(self, state: Fenced, operation: Operation) -> Iterable[Fenced]:
        """The states that an operation may lead to."""
        if operation.kind == "raise":
            return self._raise(state, operation)
        epoch, seq = operation.given
        fits = state.epoch == epoch and state.seq in (seq, None)
        if operation.outcome == FAIL:
            return (state,) if not fits or state.seq is None else ()
        place = state.last if operation.got is None else int(operation.got)
        later = operation.got is None or place > state.last
        return (Fenced(epoch, state.holder, seq, place),) if fits and later else ()

    @staticmethod
    def _raise(state: Fenced, operation: Operation) -> Iterable[Fenced]:
        holder, epoch = operation.given
        allowed = epoch > state.epoch or (epoch, holder) == (state.epoch, state.holder)
        if operation.outcome == FAIL:
            return (state,) if not allowed else ()
        place = operation.got if operation.outcome == OK else None
        if not allowed or (place is not None and place <= state.last):
            return ()
        return (Fenced(epoch, holder, place, state.last if place is None else place),)


__all__ = ["Fenced", "FencedStream", "Key", "Lease", "Register"]
