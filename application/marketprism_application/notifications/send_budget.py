"""How often a channel may be used: a token bucket whose bound holds for every window of a minute."""

from __future__ import annotations

WINDOW_S = 60.0


class SendBudget:
    """At most `per_minute` messages in any 60 seconds.

    The bucket holds half of them and the other half comes back in a minute: a bucket that held all of them would let
    twice as many through around a quiet minute's end, for which DingTalk shuts a robot out for ten minutes.
    """

    def __init__(self, per_minute: float) -> None:
        self._rate = max(per_minute - 1, 1.0) / 2 / WINDOW_S
        self._capacity = max(1.0, per_minute / 2)
        if per_minute < 4:  # too few to halve: one at a time, evenly
            self._rate, self._capacity = per_minute / (WINDOW_S * 2), 1.0
        self._tokens = self._capacity
        self._at_s: float | None = None

    def left(self, now_s: float) -> float:
        """Messages that may be sent now."""
        if self._at_s is not None and now_s > self._at_s:
            self._tokens = min(self._capacity, self._tokens + (now_s - self._at_s) * self._rate)
        self._at_s = now_s if self._at_s is None else max(self._at_s, now_s)
        return self._tokens

    def take(self, now_s: float) -> bool:
        """Whether a message may be sent now; then it is counted."""
        if self.left(now_s) < 1.0 - 1e-9:
            return False
        self._tokens -= 1.0
        return True


__all__ = ["WINDOW_S", "SendBudget"]
