"""A stream of JetStream: what it takes, what it refuses, what it forgets (nats-server 2.14, ADR-8, ADR-31, ADR-50)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.simulation.subjects import matches

_DEFAULTS: dict[str, Any] = {
    "retention": "limits",
    "max_consumers": -1,
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "max_msg_size": -1,
    "discard": "old",
    "storage": "file",
    "num_replicas": 1,
    "duplicate_window": 120_000_000_000,
    "allow_direct": False,
}
_BATCH_S = 10.0
_MOST = 1_000


class Refused(Exception):
    """JetStream's error: a code of HTTP's kind, its own code, a description."""

    def __init__(self, code: int, err_code: int, description: str) -> None:
        super().__init__(description)
        self.body = {"code": code, "err_code": err_code, "description": description}


@dataclass(slots=True)
class Stored:
    """A message of a stream; `ts` in nanoseconds UTC, `expires` too, 0 for never."""

    seq: int
    subject: str
    headers: dict[str, str]
    data: bytes
    ts: int
    expires: int = 0


@dataclass(slots=True)
class Incoming:
    """A message that a stream is to take."""

    subject: str
    headers: dict[str, str]
    data: bytes


@dataclass(slots=True)
class _Open:
    """A batch that is not committed yet."""

    messages: list[Incoming] = field(default_factory=list)
    whole: bool = True
    at_s: float = 0.0


class Stream:
    """One stream. `on_stored` is called for each message that it took."""

    def __init__(self, config: dict[str, Any], now_ns: Callable[[], int], on_stored: Callable[[Stored], None]) -> None:
        self.config = {**_DEFAULTS, **config}
        self.name = str(config["name"])
        self.created = rfc3339(now_ns())
        self.messages: dict[int, Stored] = {}
        self.by_subject: dict[str, list[int]] = {}
        self._fitting: dict[str, dict[str, None]] = {}  # the subjects that fit a pattern which was asked for
        self.first, self.last = 1, 0
        # Up to where the member has it on which its consumers sit, while that one lags behind.
        self.lagging_at: int | None = None
        self.bytes = 0
        self._ids: dict[str, tuple[int, int]] = {}
        self._expiring: dict[int, int] = {}
        self._batches: dict[str, _Open] = {}
        self._now_ns, self._on_stored = now_ns, on_stored

    @property
    def subjects(self) -> list[str]:
        return list(self.config.get("subjects") or [])

    # -- taking ----------------------------------------------------------------------------------------------------

    def publish(self, message: Incoming) -> dict[str, Any] | None:
        """The receipt; None for a message of a batch that goes on.

        Raises:
            Refused: nothing was taken.
        """
        self.expire()
        batch = message.headers.get("Nats-Batch-Id")
        if batch is not None:
            return self._batched(batch, message)
        known = self._known(message)
        if known is not None:
            return {"stream": self.name, "seq": known, "duplicate": True}
        self._expected(message, set())
        return {"stream": self.name, "seq": self._store(message)}

    def _batched(self, batch: str, message: Incoming) -> dict[str, Any] | None:
        if not self.config.get("allow_atomic"):
            raise Refused(400, 10174, "atomic publish is disabled")
        number = int(message.headers.get("Nats-Batch-Sequence", 0))
        now_s = self._now_ns() / 1e9
        for name in [name for name, each in self._batches.items() if now_s - each.at_s > _BATCH_S]:
            del self._batches[name]
        opened = self._batches.get(batch)
        if opened is None:
            if number != 1:
                if "Nats-Batch-Commit" in message.headers:
                    raise Refused(400, 10176, "batch publish is incomplete and was abandoned")
                return None
            opened = self._batches[batch] = _Open(at_s=now_s)
        opened.at_s = now_s
        if number != len(opened.messages) + 1 or number > _MOST:
            del self._batches[batch]
            if "Nats-Batch-Commit" in message.headers:
                raise Refused(400, 10176, "batch publish is incomplete and was abandoned")
            return None
        opened.messages.append(message)
        if "Nats-Batch-Commit" not in message.headers:
            return None
        del self._batches[batch]
        return self._commit(batch, opened.messages)

    def _commit(self, batch: str, messages: Sequence[Incoming]) -> dict[str, Any]:
        staged: set[str] = set()
        for message in messages:
            if self._known(message) is not None:
                raise Refused(400, 10201, "batch publish contains duplicate message id")
            self._expected(message, staged)
            staged.add(message.subject)
        for message in messages:
            self._store(message)
        return {"stream": self.name, "seq": self.last, "batch": batch, "count": len(messages)}

    def _known(self, message: Incoming) -> int | None:
        identity = message.headers.get("Nats-Msg-Id")
        if identity is None:
            return None
        window = int(self.config.get("duplicate_window", 0))
        found = self._ids.get(identity)
        return None if found is None or self._now_ns() - found[1] > window else found[0]

    def _expected(self, message: Incoming, staged: set[str]) -> None:
        headers = message.headers
        wanted = headers.get("Nats-Expected-Last-Subject-Sequence")
        if wanted is not None:
            subject = headers.get("Nats-Expected-Last-Subject-Sequence-Subject", message.subject)
            if subject in staged:  # what is not written yet has no sequence that could be expected
                raise Refused(503, 10164, "last sequence by subject of a write that is on its way")
            last = self.last_of(subject)
            if last != int(wanted):
                raise Refused(400, 10071, f"wrong last sequence: {last}")
        if (wanted := headers.get("Nats-Expected-Last-Sequence")) is not None and int(wanted) != self.last:
            raise Refused(400, 10071, f"wrong last sequence: {self.last}")

    def _store(self, message: Incoming) -> int:
        now = self._now_ns()
        self.last += 1
        if not self.messages:
            self.first = self.last
        ttl = message.headers.get("Nats-TTL", "")
        expires = now + int(float(ttl.rstrip("s")) * 1e9) if ttl else 0
        stored = Stored(self.last, message.subject, message.headers, message.data, now, expires)
        self.messages[self.last] = stored
        if expires:
            self._expiring[self.last] = expires
        if message.subject not in self.by_subject:
            self.by_subject[message.subject] = []
            for pattern, fitting in self._fitting.items():
                if matches(pattern, message.subject):
                    fitting[message.subject] = None
        self.by_subject[message.subject].append(self.last)
        self.bytes += _size(stored)
        if (identity := message.headers.get("Nats-Msg-Id")) is not None:
            self._ids[identity] = (self.last, now)
        self._limit(message.subject)
        self._on_stored(stored)
        return self.last

    # -- forgetting ------------------------------------------------------------------------------------------------

    def _limit(self, subject: str) -> None:
        most = int(self.config.get("max_msgs_per_subject", -1))
        while 0 < most < len(self.by_subject[subject]):
            self.remove(self.by_subject[subject][0])
        most = int(self.config.get("max_bytes", -1))
        while 0 < most < self.bytes and len(self.messages) > 1:
            self.remove(next(iter(self.messages)))
        most = int(self.config.get("max_msgs", -1))
        while 0 < most < len(self.messages):
            self.remove(next(iter(self.messages)))

    def expire(self) -> None:
        """Forget what is too old."""
        age, now = int(self.config.get("max_age", 0)), self._now_ns()
        while age and self.messages:
            oldest = next(iter(self.messages.values()))
            if now - oldest.ts <= age:
                break
            self.remove(oldest.seq)
        for seq in [seq for seq, expires in self._expiring.items() if expires < now]:
            self.remove(seq)

    def remove(self, seq: int) -> bool:
        """Whether the message was there."""
        stored = self.messages.pop(seq, None)
        self._expiring.pop(seq, None)
        if stored is None:
            return False
        places = self.by_subject[stored.subject]
        places.remove(seq)
        if not places:
            del self.by_subject[stored.subject]
            for fitting in self._fitting.values():
                fitting.pop(stored.subject, None)
        self.bytes -= _size(stored)
        self.first = next(iter(self.messages), self.last + 1)
        return True

    def purge(self, pattern: str = "", below: int = 0) -> int:
        """How many went: of a pattern, below a sequence, where those are given."""
        gone = [
            seq
            for seq, each in self.messages.items()
            if (not pattern or matches(pattern, each.subject)) and (not below or seq < below)
        ]
        for seq in gone:
            self.remove(seq)
        return len(gone)

    # -- reading ---------------------------------------------------------------------------------------------------

    def last_of(self, pattern: str) -> int:
        """The last sequence of the subjects that fit, 0 if there is none."""
        if "*" not in pattern and ">" not in pattern:
            return self.by_subject.get(pattern, [0])[-1]
        return max((places[-1] for subject, places in self.by_subject.items() if matches(pattern, subject)), default=0)

    def next_of(self, patterns: Sequence[str], seq: int) -> Stored | None:
        """The first message of the subjects that fit, at or behind a sequence."""
        best = 0
        for places in self._places(patterns):
            at = bisect_left(places, seq)
            if at < len(places) and (not best or places[at] < best):
                best = places[at]
        return self.messages[best] if best else None

    def count_behind(self, patterns: Sequence[str], seq: int) -> int:
        """How many messages of the subjects that fit there are behind a sequence."""
        return sum(len(places) - bisect_right(places, seq) for places in self._places(patterns))

    def _places(self, patterns: Sequence[str]) -> Iterator[list[int]]:
        if not patterns:
            yield list(self.messages)
            return
        fitting = self._subjects_of(patterns[0])
        if len(patterns) > 1:
            fitting = {subject: None for pattern in patterns for subject in self._subjects_of(pattern)}
        for subject in fitting:
            yield self.by_subject[subject]

    def _subjects_of(self, pattern: str) -> dict[str, None]:
        found = self._fitting.get(pattern)
        if found is None:
            found = {subject: None for subject in self.by_subject if matches(pattern, subject)}
            self._fitting[pattern] = found
        return found

    def deleted(self) -> list[int]:
        """Sequences between the first and the last message that are gone."""
        if len(self.messages) == self.last - self.first + 1 or not self.messages:
            return []
        return [seq for seq in range(self.first, self.last) if seq not in self.messages]

    def state(self) -> dict[str, Any]:
        """As STREAM.INFO has it."""
        oldest, newest = self.messages.get(self.first), self.messages.get(self.last)
        return {
            "messages": len(self.messages),
            "bytes": self.bytes,
            "first_seq": self.first if self.messages else self.last + 1 if self.last else 0,
            "first_ts": rfc3339(oldest.ts if oldest else 0),
            "last_seq": self.last,
            "last_ts": rfc3339(newest.ts if newest else 0),
            "num_subjects": len(self.by_subject),
            "num_deleted": len(self.deleted()),
            "consumer_count": 0,
        }


def rfc3339(ts: int) -> str:
    """A time as the server writes it."""
    whole = datetime.fromtimestamp(ts // 1_000_000_000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ts % 1_000_000_000:09d}Z"


def _size(stored: Stored) -> int:
    return len(stored.data) + len(stored.subject) + sum(len(k) + len(v) + 4 for k, v in stored.headers.items()) + 22
