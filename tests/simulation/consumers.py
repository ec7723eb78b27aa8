"""A pull consumer of JetStream that acknowledges nothing: requests, heartbeats, expiry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.simulation.streams import Refused, Stored, Stream, rfc3339
from tests.simulation.subjects import make_headers

Send = Callable[[str, str, str, bytes, bytes], object]  # to whom, subject shown, reply, header block, data


@dataclass(slots=True)
class _Request:
    inbox: str
    left: int
    expires_s: float
    heartbeat_s: float
    beat_s: float


class Consumer:
    """Delivers what a stream has, from a place on, to whoever asks."""

    def __init__(
        self,
        name: str,
        stream: Stream,
        config: dict[str, Any],
        send: Send,
        now_s: Callable[[], float],
        now_ns: Callable[[], int],
    ) -> None:
        self.name, self.stream, self.config = name, stream, config
        self.created = rfc3339(now_ns())
        self._send, self._now_s, self._now_ns = send, now_s, now_ns
        filters = config.get("filter_subjects") or ([config["filter_subject"]] if config.get("filter_subject") else [])
        self.filters: list[str] = list(filters)
        self.at = self._beginning() - 1  # the last sequence that was delivered or passed
        self.delivered = 0
        self.last_delivered = 0
        self.asked_s = now_s()
        self._requests: list[_Request] = []

    def _beginning(self) -> int:
        policy = self.config.get("deliver_policy", "all")
        if policy == "by_start_sequence":
            return int(self.config["opt_start_seq"])
        if policy == "by_start_time":
            start = int(datetime.fromisoformat(self.config["opt_start_time"]).timestamp() * 1e9)
            return next((each.seq for each in self.stream.messages.values() if each.ts >= start), self.stream.last + 1)
        if policy == "new":
            return self.stream.last + 1
        if policy == "all":
            return 1
        raise Refused(400, 10094, f"simulated consumers have no deliver policy {policy}")

    @property
    def pending(self) -> int:
        """Messages that are still to be delivered, as far as its member knows."""
        unknown = self.stream.count_behind(self.filters, max(self.at, self._end))
        return self.stream.count_behind(self.filters, self.at) - unknown

    @property
    def _end(self) -> int:
        lagging_at = self.stream.lagging_at
        return self.stream.last if lagging_at is None else lagging_at

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for messages."""
        return bool(self._requests)

    def info(self) -> dict[str, Any]:
        """As CONSUMER.INFO has it."""
        return {
            "stream_name": self.stream.name,
            "name": self.name,
            "created": self.created,
            "config": self.config,
            "delivered": {"consumer_seq": self.delivered, "stream_seq": self.last_delivered},
            "ack_floor": {"consumer_seq": self.delivered, "stream_seq": self.last_delivered},
            "num_ack_pending": 0,
            "num_pending": self.pending,
        }

    def ask(self, inbox: str, body: dict[str, Any]) -> None:
        """A request for messages."""
        now = self.asked_s = self._now_s()
        heartbeat = int(body.get("idle_heartbeat", 0)) / 1e9
        expires = int(body.get("expires", 0)) / 1e9
        self._requests.append(_Request(inbox, int(body.get("batch", 1)), now + expires, heartbeat, now + heartbeat))
        self.deliver()

    def deliver(self) -> None:
        """Send what there is to whoever asked first."""
        while self._requests:
            found = self.stream.next_of(self.filters, self.at + 1)
            if found is None or found.seq > self._end:
                return
            self._give(found)

    def _give(self, found: Stored) -> None:
        request = self._requests[0]
        self.at = self.last_delivered = found.seq
        self.delivered += 1
        tokens = (1, found.seq, self.delivered, found.ts, self.pending)
        reply = f"$JS.ACK.{self.stream.name}.{self.name}." + ".".join(map(str, tokens))
        raw = make_headers(found.headers) if found.headers else b""
        request.left -= 1
        request.beat_s = self._now_s() + request.heartbeat_s
        if request.left <= 0:
            self._requests.pop(0)
        self._send(request.inbox, found.subject, reply, raw, found.data)

    def tick(self) -> None:
        """What its member has got since, heartbeats that are due, requests that have expired."""
        self.deliver()
        now = self._now_s()
        for request in list(self._requests):
            if now >= request.expires_s:
                self._requests.remove(request)
                headers = {"Nats-Pending-Messages": str(request.left), "Nats-Pending-Bytes": "0"}
                self._send(request.inbox, request.inbox, "", make_headers(headers, "408 Request Timeout"), b"")
            elif request.heartbeat_s and now >= request.beat_s:
                request.beat_s = now + request.heartbeat_s
                last = {"Nats-Last-Consumer": str(self.delivered), "Nats-Last-Stream": str(self.last_delivered)}
                self._send(request.inbox, request.inbox, "", make_headers(last, "100 Idle Heartbeat"), b"")

    def end(self) -> None:
        """The consumer is deleted: whoever asked hears it."""
        for request in self._requests:
            self._send(request.inbox, request.inbox, "", make_headers({}, "409 Consumer Deleted"), b"")
        self._requests.clear()
