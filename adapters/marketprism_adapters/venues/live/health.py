"""Health of single streams: subscribed, flowing, stale, by what each of them is used to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from marketprism_application.venue import StreamKey

PENDING, SUBSCRIBED, FLOWING, STALE, REFUSED = "pending", "subscribed", "flowing", "stale", "refused"
_WARM_UP = 50
_ALPHA = 0.02
_FACTOR = 30.0
_SHORTEST_S = 20.0


class StreamState:
    """One stream; times are seconds of the monotonic clock."""

    __slots__ = ("asked_at", "cadence_s", "count", "declared_s", "mean_s", "reason", "seen_at", "state")

    def __init__(self, declared_s: float, now: float) -> None:
        self.state = PENDING
        self.declared_s = declared_s  # longest quiet that the venue's documents promise; 0 where they promise nothing
        self.asked_at = now
        self.seen_at = 0.0
        self.count = 0
        self.mean_s = 0.0
        self.reason = ""

    def limit_s(self) -> float | None:
        """After how much quiet it counts as stale; None while nobody can know."""
        if self.declared_s:
            return self.declared_s
        if self.count < _WARM_UP:
            return None
        return max(_SHORTEST_S, _FACTOR * self.mean_s)


class StreamHealth:
    """Every stream of a venue. A stream that is quiet by nature (liquidations) is never stale."""

    def __init__(self, cadence_s: Mapping[str, float], quiet: Iterable[str] = ("liquidation",)) -> None:
        self._cadence_s = cadence_s
        self._quiet = frozenset(quiet)
        self._states: dict[StreamKey, StreamState] = {}

    def asked(self, keys: Iterable[StreamKey]) -> None:
        """A subscription was sent."""
        now = time.monotonic()
        for key in keys:
            found = self._states.get(key)
            if found is None:
                self._states[key] = StreamState(self._cadence_s.get(key.kind, 0.0), now)
            else:
                found.state, found.asked_at, found.count = PENDING, now, 0

    def polled(self, key: StreamKey) -> None:
        """It is asked for, not subscribed."""
        self.asked([key])
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
        """No longer wanted."""
        for key in keys:
            self._states.pop(key, None)

    def seen(self, key: StreamKey, now: float) -> None:
        """Something came on it."""
        state = self._states.get(key)
        if state is None:
            return
        if state.count:
            silence = now - state.seen_at
            state.mean_s += (silence - state.mean_s) * (_ALPHA if state.count > _WARM_UP else 1 / state.count)
        state.count += 1
        state.seen_at = now
        state.state = FLOWING

    def stale(self) -> list[tuple[StreamKey, float]]:
        """Streams that have become stale since the last look, with the seconds of their silence."""
        now = time.monotonic()
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

    def counts(self) -> dict[str, int]:
        """How many streams are in each state."""
        found = dict.fromkeys((PENDING, SUBSCRIBED, FLOWING, STALE, REFUSED), 0)
        for state in self._states.values():
            found[state.state] += 1
        return found

    def table(self) -> list[dict[str, object]]:
        """Every stream in words."""
        now = time.monotonic()
        return [
            {
                "stream": str(key), "state": state.state, "messages": state.count,
                "silent_s": round(now - state.seen_at, 3) if state.seen_at else None,
                "limit_s": state.limit_s(), "reason": state.reason,
            }
            for key, state in self._states.items()
        ]  # fmt: skip
