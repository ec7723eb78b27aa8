"""Health of single streams: subscribed, flowing, stale, by what each of them is used to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from marketprism_application.contracts.kinds import VENUE_KINDS
from marketprism_application.venues.protocol import StreamKey

PENDING, SUBSCRIBED, FLOWING, STALE, REFUSED = "pending", "subscribed", "flowing", "stale", "refused"
_WARM_UP = 50
_ALPHA = 0.02
_FACTOR = 30.0
_SHORTEST_S = 20.0
_FIRST_S = 60.0  # a stream that has brought nothing at all by then is asked for once more
_LONGEST_S = 3_600.0
_MAY_BE_SILENT = frozenset(kind.name for kind in VENUE_KINDS if kind.may_be_silent)


class StreamState:
    """One stream; times are seconds of the monotonic clock."""

    __slots__ = (
        "asked_at",
        "count",
        "declared_s",
        "first_s",
        "mean_s",
        "reason",
        "seen_at",
        "state",
        "tries",
        "ts_event",
    )

    def __init__(self, declared_s: float, now: float, first_s: float) -> None:
        self.state = PENDING
        self.first_s = first_s  # longest quiet of a stream that never brought anything, 0 for ever
        self.tries = 0  # how often it was asked for again since it brought something
        self.declared_s = declared_s  # longest quiet that the venue's documents promise; 0 where they promise nothing
        self.asked_at = now
        self.seen_at = 0.0
        self.ts_event = 0  # of the newest that came, nanoseconds of the venue's clock
        self.count = 0
        self.mean_s = 0.0
        self.reason = ""

    def limit_s(self) -> float | None:
        """After how much quiet it counts as stale, longer each time that it was asked in vain; None: nobody knows."""
        limit = self.declared_s
        if not limit and self.count >= _WARM_UP:
            limit = max(_SHORTEST_S, _FACTOR * self.mean_s)
        elif not limit and not self.count:
            limit = self.first_s
        return min(limit * 2**self.tries, max(limit, _LONGEST_S)) if limit else None


class StreamHealth:
    """Every stream of a venue. A stream that is quiet by nature (liquidations) is never stale."""

    def __init__(
        self,
        cadence_s: Mapping[str, float],
        quiet: Iterable[str] = ("liquidation",),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._cadence_s = cadence_s
        self._quiet = frozenset(quiet)
        self._states: dict[StreamKey, StreamState] = {}

    def asked(self, keys: Iterable[StreamKey]) -> None:
        """A subscription was sent."""
        now = self._clock()
        for key in keys:
            found = self._states.get(key)
            if found is None:
                first_s = 0.0 if key.kind in _MAY_BE_SILENT else _FIRST_S
                self._states[key] = StreamState(self._cadence_s.get(key.kind, 0.0), now, first_s)
            else:
                found.tries += found.state == STALE
                found.state, found.asked_at = PENDING, now

    def polled(self, key: StreamKey, period_s: float) -> None:
        """It is asked for, not subscribed."""
        self.asked([key])
        self._states[key].declared_s = 3 * period_s + _SHORTEST_S
        self.confirmed([key])

    def confirmed(self, keys: Iterable[StreamKey]) -> None:
        """The venue took the subscription."""
        for key in keys:
            found = self._states.get(key)
            if found is not None and found.state == PENDING:
                found.state = SUBSCRIBED

    def refused(self, key: StreamKey, reason: str) -> None:
        """The venue did not take it."""
        found = self._states.get(key)
        if found is not None:
            found.state, found.reason = REFUSED, reason

    def forget(self, keys: Iterable[StreamKey]) -> None:
        """Forget streams that are not wanted any more."""
        for key in keys:
            self._states.pop(key, None)

    def known_until(self, key: StreamKey) -> int:
        """The time of the newest that came on it, nanoseconds of the venue's clock; 0 when nothing did."""
        state = self._states.get(key)
        return 0 if state is None else state.ts_event

    def seen(self, key: StreamKey, now: float, ts_event: int = 0) -> None:
        """Something came on it."""
        state = self._states.get(key)
        if state is None:
            return
        if state.count:
            silence = now - max(state.seen_at, state.asked_at)
            state.mean_s += (silence - state.mean_s) * (_ALPHA if state.count > _WARM_UP else 1 / state.count)
        state.count += 1
        state.tries = 0
        state.ts_event = ts_event
        state.seen_at = now
        state.state = FLOWING

    def stale(self) -> list[tuple[StreamKey, float]]:
        """Streams that have become stale since the last look, with the seconds of their silence."""
        now = self._clock()
        found = []
        for key, state in self._states.items():
            if state.state in (STALE, REFUSED) or key.kind in self._quiet:
                continue
            limit = state.limit_s()
            silence = now - max(state.seen_at, state.asked_at)
            if limit is not None and silence > limit:
                state.state = STALE
                found.append((key, silence))
        return found

    def flows(self, keys: Iterable[StreamKey], within_s: float) -> bool:
        """Whether any of them has brought anything of late."""
        since = self._clock() - within_s
        return any((state := self._states.get(key)) is not None and state.seen_at > since for key in keys)

    def counts(self) -> dict[str, int]:
        """How many streams are in each state."""
        found = dict.fromkeys((PENDING, SUBSCRIBED, FLOWING, STALE, REFUSED), 0)
        for state in self._states.values():
            found[state.state] += 1
        return found

    def table(self) -> list[dict[str, object]]:
        """Every stream in words."""
        now = self._clock()
        return [
            {
                "stream": str(key),
                "state": state.state,
                "messages": state.count,
                "silent_s": round(now - state.seen_at, 3) if state.seen_at else None,
                "limit_s": state.limit_s(),
                "reason": state.reason,
            }
            for key, state in self._states.items()
        ]
