"""What waits for one channel, and when it may have it."""

from __future__ import annotations

from marketprism_application.contracts.alert_records import Severity
from marketprism_application.notifications.policy import DeliveryPolicy
from marketprism_application.notifications.send_budget import SendBudget
from marketprism_application.notifications.texts import MessageWriter
from marketprism_application.ports.notifications import ChannelLimits, Message, Notice

_LANES = (Severity.PAGE, Severity.TICKET, Severity.INFO)


class ChannelQueue:
    """Notices for a channel: grouped by severity, within the channel's limits, retried until it takes them.

    Nothing is dropped here. One message is on its way at a time; times are seconds UTC, given by the caller.
    """

    def __init__(self, limits: ChannelLimits, policy: DeliveryPolicy, writer: MessageWriter) -> None:
        self._limits = limits
        self._policy = policy
        self._writer = writer
        self._budget = SendBudget(limits.per_minute)
        self._waiting: dict[Severity, dict[str, tuple[Notice, float]]] = {lane: {} for lane in _LANES}
        self._on_its_way: Message | None = None
        self._failing_since_s: float | None = None
        self._refused = False
        self._failures = 0
        self._rests_until_s = 0.0
        self.error = ""  # why the newest message was not taken; empty when one was

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._waiting.values())

    def add(self, notice: Notice, now_s: float) -> None:
        """Let a notice wait; one that waits already is left as it is."""
        self._waiting[notice.record.alert.severity].setdefault(notice.key, (notice, now_s))

    def next_message(self, now_s: float, *, quiet: bool = False) -> Message | None:
        """A message that is to be sent now, if there is one; `sent`, `failed` or `refused` says what became of it."""
        if self._on_its_way is not None or now_s < self._rests_until_s:
            return None
        due = [lane for lane in _LANES if self._is_due(lane, now_s, quiet)]
        if not due or not self._budget.take(now_s):
            return None
        # Scarce: everything that is due goes together, the most urgent first.
        lanes = due if self._budget.left(now_s) < len(due) else due[:1]
        notices = [notice for lane in lanes for notice, _ in self._waiting[lane].values()]
        self._on_its_way = self._writer.write(notices, self._limits.max_bytes)
        return self._on_its_way

    def _is_due(self, lane: Severity, now_s: float, quiet: bool) -> bool:
        waiting = self._waiting[lane]
        if not waiting or (quiet and lane is not Severity.PAGE):
            return False
        _, since_s = next(iter(waiting.values()))
        return now_s - since_s >= self._policy.group_s(lane)

    def sent(self) -> None:
        """The channel took the message that was on its way."""
        for notice in self._end_of_way():
            self._waiting[notice.record.alert.severity].pop(notice.key, None)
        self._failing_since_s, self._failures, self._rests_until_s = None, 0, 0.0
        self._refused, self.error = False, ""

    def put_back(self) -> None:
        """It was not sent after all, through no fault of the channel."""
        self._end_of_way()

    @property
    def failing_since_s(self) -> float | None:
        """When the channel began not to take what it is sent; None where it does."""
        return self._failing_since_s

    @property
    def has_refused(self) -> bool:
        """Whether the channel said no, and took nothing since."""
        return self._refused

    def failed(self, now_s: float, error: str, retry_after_s: float = 0.0) -> None:
        """It did not: try again, later each time, and never before the channel said."""
        self._end_of_way()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        pause_s = min(self._policy.retry_s * 2.0 ** min(self._failures, 30), self._policy.retry_max_s)
        self._failures += 1
        self._rests_until_s = now_s + max(pause_s, retry_after_s)
        self.error = error

    def refused(self, now_s: float, error: str) -> None:
        """It says no: what waits is for the fallback now, and the channel is asked again after a rest."""
        self._end_of_way()
        self._failing_since_s = now_s if self._failing_since_s is None else self._failing_since_s
        self._refused = True
        self._rests_until_s = now_s + self._policy.refused_s
        self.error = error

    def drop(self, key: str) -> None:
        """A notice that need not be sent any more: it was, by somebody else."""
        for lane in self._waiting.values():
            lane.pop(key, None)

    def _end_of_way(self) -> tuple[Notice, ...]:
        message, self._on_its_way = self._on_its_way, None
        return message.notices if message is not None else ()

    def abandoned(self, now_s: float) -> list[Notice]:
        """What the channel has failed to take for so long that the fallback is to have it; it waits here until `drop`.

        Nothing while the channel is asked.
        """
        if self._on_its_way is not None or self._failing_since_s is None or now_s >= self._rests_until_s:
            return []
        if not self._refused and now_s - self._failing_since_s < self._policy.fallback_s:
            return []
        return [notice for lane in _LANES for notice, _ in self._waiting[lane].values()]


__all__ = ["ChannelQueue"]
