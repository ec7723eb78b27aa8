"""JetStream's API on the streams of a simulated server: the part of it that the product asks for."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.simulation.consumers import Consumer, Send
from tests.simulation.streams import Incoming, Refused, Stored, Stream, rfc3339
from tests.simulation.subjects import make_headers, matches

_PREFIX = "$JS.API."


class JetStream:
    """Streams and consumers. `send` gives a message to whoever listens."""

    def __init__(self, send: Send, now_s: Callable[[], float], now_ns: Callable[[], int]) -> None:
        self.streams: dict[str, Stream] = {}
        self.consumers: dict[tuple[str, str], Consumer] = {}
        self.on_stored: Callable[[Stream, Stored], None] = lambda _s, _m: None
        self.recorded: Callable[[Stream, Stored], None] = lambda _s, _m: None
        self.keeps_republished: Callable[[], bool] = lambda: True  # a republished copy is a hint that may be lost
        self._send, self._now_s, self._now_ns = send, now_s, now_ns
        self._made = 0
        self._takers: dict[
            str, Stream | None
        ] = {}  # of subjects that were asked for; until a stream is made or deleted

    # -- messages --------------------------------------------------------------------------------------------------

    def stream_of(self, subject: str) -> Stream | None:
        """The stream that takes a subject."""
        if subject not in self._takers:
            every = self.streams.values()
            found = next((s for s in every if any(matches(pattern, subject) for pattern in s.subjects)), None)
            self._takers[subject] = found
        return self._takers[subject]

    def take(self, stream: Stream, message: Incoming, reply: str) -> None:
        """Store a published message and send its receipt."""
        try:
            answer = stream.publish(message)
        except Refused as refused:
            answer = {"error": refused.body, "stream": stream.name, "seq": 0}
        if answer is None:
            if reply:
                self._send(reply, reply, "", b"", b"")
            return
        for (name, _), consumer in list(self.consumers.items()):
            if name == stream.name:
                consumer.deliver()
        if reply:
            self._send(reply, reply, "", b"", json.dumps(answer).encode())

    def _stored(self, stream: Stream, stored: Stored) -> None:
        self.recorded(stream, stored)
        self.on_stored(stream, stored)
        republish = stream.config.get("republish")
        if not republish or not matches(republish["src"], stored.subject) or not self.keeps_republished():
            return
        source, target = republish["src"].rstrip(">"), republish["dest"].rstrip(">")
        raw = make_headers({**stored.headers, **_place(stream, stored)})
        subject = target + stored.subject.removeprefix(source)
        self._send(subject, subject, "", raw, stored.data)

    def lose_memory(self) -> None:
        """The server was started anew: consumers in memory are gone."""
        self.consumers = {key: each for key, each in self.consumers.items() if not each.config.get("mem_storage")}

    def tick(self, leaderless: Callable[[str], bool]) -> None:
        """What time brings, to streams that have their leader."""
        for key, consumer in list(self.consumers.items()):
            if leaderless(key[0]):
                continue
            consumer.tick()
            idle = int(consumer.config.get("inactive_threshold", 0)) / 1e9
            if idle and not consumer.is_asked and self._now_s() - consumer.asked_s > idle:
                del self.consumers[key]

    # -- the API ---------------------------------------------------------------------------------------------------

    def ask(self, subject: str, data: bytes, reply: str) -> bool:
        """Answer a question; False where nobody serves the subject."""
        name = subject.removeprefix(_PREFIX)
        if name.startswith("DIRECT.GET."):
            stream = self.streams.get(name.removeprefix("DIRECT.GET."))
            if stream is None or not stream.config.get("allow_direct"):
                return False
            self._direct(stream, json.loads(data), reply)
            return True
        if name.startswith("CONSUMER.MSG.NEXT."):
            consumer = self.consumers.get(_pair(name.removeprefix("CONSUMER.MSG.NEXT.")))
            if consumer is None:
                return False
            consumer.ask(reply, json.loads(data) if data else {})
            return True
        try:
            answer = self._answer(name, json.loads(data) if data else {})
        except Refused as refused:
            answer = {"error": refused.body}
        self._send(reply, reply, "", b"", json.dumps({"type": "io.nats.jetstream.api.v1", **answer}).encode())
        return True

    def ask_member(self, subject: str, data: bytes, reply: str, share: float) -> None:
        """While a stream has no leader: any member says of it what it has, which is `share` of the messages; nobody
        answers anything else."""
        name = subject.removeprefix(f"{_PREFIX}STREAM.INFO.")
        if name != subject and (stream := self.streams.get(name)) is not None:
            answer = self._info(stream, json.loads(data) if data else {})
            state = answer["state"]
            state["last_seq"] = int(share * state["last_seq"])
            state["first_seq"] = min(state["first_seq"], state["last_seq"] + 1)
            answer["cluster"] = {"name": "simulated", "replicas": []}
            self._send(reply, reply, "", b"", json.dumps(answer).encode())

    def _answer(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        if name == "INFO":
            return {"streams": len(self.streams), "limits": {}, "memory": 0, "storage": 0}
        if name == "STREAM.NAMES":
            return self._names(body)
        kind, _, rest = name.partition(".")
        what, _, rest = rest.partition(".")
        if kind == "CONSUMER":
            return self._of_consumer(what, rest, body)
        if what in ("CREATE", "UPDATE"):
            return self._made_stream(what, rest, body)
        if what == "MSG":
            what, _, rest = rest.partition(".")
            stream = self._stream(rest)
            stream.expire()
            return self._message(stream, body) if what == "GET" else self._removed(stream, body)
        stream = self._stream(rest)
        stream.expire()
        if what == "INFO":
            return self._info(stream, body)
        if what == "PURGE":
            below = int(body.get("seq", 0))
            return {"success": True, "purged": stream.purge(str(body.get("filter", "")), below)}
        if what == "DELETE":
            del self.streams[stream.name]
            self._takers.clear()
            for key in [key for key in self.consumers if key[0] == stream.name]:
                self.consumers.pop(key).end()
            return {"success": True}
        raise AssertionError(f"the simulated server has no {name}")

    def _stream(self, name: str) -> Stream:
        if name not in self.streams:
            raise Refused(404, 10059, "stream not found")
        return self.streams[name]

    def _names(self, body: dict[str, Any]) -> dict[str, Any]:
        wanted = body.get("subject")
        found = [
            name
            for name, each in sorted(self.streams.items())
            if not wanted or any(matches(pattern, wanted) or matches(wanted, pattern) for pattern in each.subjects)
        ]
        return {"total": len(found), "offset": 0, "limit": 1024, "streams": found or None}

    def _made_stream(self, what: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        there = self.streams.get(name)
        self._takers.clear()
        if what == "UPDATE":
            if there is None:
                raise Refused(404, 10059, "stream not found")
            there.config = {**there.config, **body}
        elif there is None:
            made = self.streams[name] = Stream(body, self._now_ns, lambda stored: self._stored(made, stored))
        elif any(there.config.get(key) != value for key, value in body.items()):
            raise Refused(400, 10058, "stream name already in use with a different configuration")
        return self._info(self.streams[name], {})

    def _info(self, stream: Stream, body: dict[str, Any]) -> dict[str, Any]:
        state = stream.state()
        state["consumer_count"] = sum(key[0] == stream.name for key in self.consumers)
        if (pattern := body.get("subjects_filter")) is not None:
            state["subjects"] = {s: len(places) for s, places in stream.by_subject.items() if matches(pattern, s)}
        if body.get("deleted_details"):
            state["deleted"] = stream.deleted()
        return {"config": stream.config, "created": stream.created, "state": state, "ts": rfc3339(self._now_ns())}

    def _message(self, stream: Stream, body: dict[str, Any]) -> dict[str, Any]:
        seq = stream.last_of(body["last_by_subj"]) if "last_by_subj" in body else int(body.get("seq", 0))
        if "next_by_subj" in body:
            stored = stream.next_of([str(body["next_by_subj"])], seq)
        else:
            stored = stream.messages.get(seq)
        if stored is None:
            raise Refused(404, 10037, "no message found")
        found: dict[str, Any] = {"subject": stored.subject, "seq": stored.seq, "time": rfc3339(stored.ts)}
        if stored.data:
            found["data"] = base64.b64encode(stored.data).decode()
        if stored.headers:
            found["hdrs"] = base64.b64encode(make_headers(stored.headers)).decode()
        return {"message": found}

    def _removed(self, stream: Stream, body: dict[str, Any]) -> dict[str, Any]:
        if not stream.remove(int(body["seq"])):
            raise Refused(400, 10057, f"no message found for seq {body['seq']}")
        return {"success": True}

    def _of_consumer(self, what: str, rest: str, body: dict[str, Any]) -> dict[str, Any]:
        stream = self._stream(rest.partition(".")[0])
        if what == "CREATE":
            self._made += 1
            name = rest.partition(".")[2].partition(".")[0] or f"c{self._made}"
            made = Consumer(name, stream, body["config"], self._send, self._now_s, self._now_ns)
            self.consumers[stream.name, name] = made
            return made.info()
        consumer = self.consumers.get(_pair(rest))
        if consumer is None:
            raise Refused(404, 10014, "consumer not found")
        if what == "DELETE":
            del self.consumers[_pair(rest)]
            consumer.end()
            return {"success": True}
        return consumer.info()

    # -- direct gets -----------------------------------------------------------------------------------------------

    def _direct(self, stream: Stream, body: dict[str, Any], reply: str) -> None:
        stream.expire()
        if "multi_last" in body:
            self._lasts(stream, body, reply)
            return
        if "last_by_subj" in body:
            found = stream.messages.get(stream.last_of(body["last_by_subj"]))
        elif "next_by_subj" in body:
            seq = int(body.get("seq", 1))
            if "start_time" in body:
                seq = _at(stream, nanoseconds(body["start_time"]))
            if "batch" in body:
                self._next(stream, str(body["next_by_subj"]), seq, int(body["batch"]), reply)
                return
            found = stream.next_of([str(body["next_by_subj"])], seq)
        else:
            found = stream.messages.get(int(body["seq"]))
        if found is None:
            self._send(reply, reply, "", make_headers({}, "404 Message Not Found"), b"")
        else:
            self._send(reply, reply, "", make_headers({**found.headers, **_place(stream, found)}), found.data)

    def _next(self, stream: Stream, pattern: str, seq: int, most: int, reply: str) -> None:
        left = stream.count_behind([pattern], seq - 1)
        found = stream.next_of([pattern], seq)
        if found is None:
            self._send(reply, reply, "", make_headers({}, "404 Message Not Found"), b"")
            return
        last = 0
        while found is not None and most:
            most, left = most - 1, left - 1
            self._batch_message(stream, found, left, last, reply)
            last = found.seq
            found = stream.next_of([pattern], last + 1)
        self._end_of_batch(left, last, reply)

    def _lasts(self, stream: Stream, body: dict[str, Any], reply: str) -> None:
        most = int(body.get("up_to_seq", 0)) or stream.last
        before = nanoseconds(body["up_to_time"]) if "up_to_time" in body else 0
        found: list[Stored] = []
        for subject, places in stream.by_subject.items():
            if not any(matches(pattern, subject) for pattern in body["multi_last"]):
                continue
            for seq in reversed(places):
                if seq <= most and (not before or stream.messages[seq].ts < before):
                    found.append(stream.messages[seq])
                    break
        if not found:
            self._send(reply, reply, "", make_headers({}, "404 No Results"), b"")
            return
        last = 0
        for place, each in enumerate(sorted(found, key=lambda one: one.seq), 1):
            self._batch_message(stream, each, len(found) - place, last, reply)
            last = each.seq
        self._end_of_batch(0, last, reply, most)

    def _batch_message(self, stream: Stream, stored: Stored, left: int, last: int, reply: str) -> None:
        more = {"Nats-Num-Pending": str(left), "Nats-Last-Sequence": str(last)}
        raw = make_headers({**stored.headers, **_place(stream, stored), **more})
        self._send(reply, reply, "", raw, stored.data)

    def _end_of_batch(self, left: int, last: int, reply: str, up_to: int = 0) -> None:
        headers = {"Nats-Num-Pending": str(left), "Nats-Last-Sequence": str(last)}
        headers |= {"Nats-UpTo-Sequence": str(up_to)} if up_to else {}
        self._send(reply, reply, "", make_headers(headers, "204 EOB"), b"")


def nanoseconds(text: str) -> int:
    """Nanoseconds UTC of a time in RFC 3339."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(fraction[:9].ljust(9, "0") or 0)


def _at(stream: Stream, ts: int) -> int:
    return next((each.seq for each in stream.messages.values() if each.ts >= ts), stream.last + 1)


def _pair(text: str) -> tuple[str, str]:
    stream, _, consumer = text.partition(".")
    return stream, consumer


def _place(stream: Stream, stored: Stored) -> dict[str, str]:
    return {
        "Nats-Stream": stream.name,
        "Nats-Subject": stored.subject,
        "Nats-Sequence": str(stored.seq),
        "Nats-Time-Stamp": rfc3339(stored.ts),
    }
