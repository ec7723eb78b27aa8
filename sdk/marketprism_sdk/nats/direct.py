"""Many messages of a stream by one question: the last of each subject, and what waits behind a place.

Direct gets in batches (nats-server 2.11): the server answers one request with a message each and an end of the batch,
and says with a message how many more there are. Nobody's cursor moves, so an onlooker can count what a reader has not
done without asking the reader.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from marketprism_sdk.errors import DeadlineExceeded, NotConnected, StreamError, StreamMissing
from marketprism_sdk.nats.api_errors import NO_LEADER
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import (
    API_TIMEOUT_S,
    StoredMessage,
    api,
    direct_request,
    leader_get_last,
    leader_message,
)

if TYPE_CHECKING:
    from nats.aio.msg import Msg

_AT_ONCE = 1_000  # subjects of one batch: the server answers for at most 1 024
_PAGE = 500  # messages of one request
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_END, _NOTHING, _TOO_MANY = "204", "404", "413"
_REPLICA_S = 1.0
_AWAY = "away"  # no status of the server
_BEHIND_S = 0.05  # a replica that lags is asked again


class Held(NamedTuple):
    """A message that a stream holds; `ts` is when it was taken, nanoseconds UTC by the server's clock."""

    subject: str
    seq: int
    data: bytes
    ts: int
    more: int = 0  # how many come behind it, of the same question
    headers: Mapping[str, str] = _NO_HEADERS


async def last_of_each(
    connection: NatsConnection,
    stream: str,
    subjects: list[str],
    up_to: int | None = None,
    *,
    before_ts: int | None = None,
    at_least: int = 0,
    timeout_s: float = API_TIMEOUT_S,
) -> dict[str, Held]:
    """The last message of every subject that fits (wildcards allowed), by subject; `up_to` bounds the sequence,
    `before_ts` (nanoseconds UTC by the server's clock) when it was taken.

    Any replica answers, and may lag; with `at_least` it has the stream up to that sequence, or is asked again.

    Empty when the stream is not there. Where more subjects fit than the server answers for at once, they are listed
    first.

    Raises:
        StreamError: refused; one with `retryable`: for `timeout_s` no replica had `at_least`. DeadlineExceeded,
        NotConnected: no answer.
    """
    found: dict[str, Held] = {}
    for start in range(0, len(subjects), _AT_ONCE):
        body: dict[str, Any] = {"multi_last": subjects[start : start + _AT_ONCE]}
        if up_to is not None:
            body["up_to_seq"] = up_to
        if before_ts is not None:
            body["up_to_time"] = _rfc3339(before_ts)
        try:
            batch = await _batch_of(connection, stream, body, at_least, timeout_s)
        except _TooManySubjects:
            names = await _listed(connection, stream, subjects[start : start + _AT_ONCE])
            found |= await last_of_each(connection, stream, names, up_to, before_ts=before_ts, at_least=at_least)
            continue
        found |= {held.subject: held for held in batch}
        if batch and batch[-1].more:  # the server sends what it may have under way, 64 MB
            names = await _listed(connection, stream, subjects[start : start + _AT_ONCE])
            rest = [name for name in names if name not in found]
            found |= await last_of_each(connection, stream, rest, up_to, before_ts=before_ts, at_least=at_least)
    return found


async def _any_at_leader(connection: NatsConnection, stream: str, subjects: list[str]) -> bool:
    try:
        for subject in subjects:
            if await leader_next(connection, stream, subject, 1) is not None:
                return True
    except StreamMissing:
        pass
    return False


async def _batch_of(
    connection: NatsConnection, stream: str, body: dict[str, Any], at_least: int, timeout_s: float
) -> list[Held]:
    """Of a replica that has the stream up to `at_least`. That one has nothing proves nothing: the leader says."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while True:
        found, has = await _batch_and_end(connection, stream, body, timeout_s)
        if has >= at_least:
            return found
        if not found and not await _any_at_leader(connection, stream, body["multi_last"]):
            return found
        if loop.time() >= end:
            raise StreamError(f"stream {stream}: a replica that is behind answers", retryable=True)
        await asyncio.sleep(_BEHIND_S)


async def last_to_expect(connection: NatsConnection, stream: str, subject: str) -> StoredMessage | None:
    """The last message of a subject, None when there is none, for a write that expects exactly this one.

    The stream's leader is asked. While JetStream has no leader of its own it refuses that, although the stream has one
    that takes writes; then a replica answers. Where it lags behind, the write that expects what it has is refused.

    Raises:
        StreamError: refused. DeadlineExceeded, NotConnected: no answer.
    """
    try:
        return await leader_get_last(connection, stream, subject)
    except StreamError as error:
        if error.code != NO_LEADER:
            raise
        held = (await last_of_each(connection, stream, [subject], timeout_s=_REPLICA_S)).get(subject)
        if held is None:  # or it is one that has nothing yet
            raise
        return StoredMessage(held.subject, held.seq, held.data)


class _TooManySubjects(StreamError):
    """More subjects fit than the server answers for at once."""


async def _listed(connection: NatsConnection, stream: str, patterns: list[str]) -> list[str]:
    """Every subject of a stream that fits one of the patterns; the server lists so many at a time."""
    found: dict[str, None] = {}
    for pattern in patterns:
        offset, total = 0, 1
        while offset < total:
            info = await api(connection, f"STREAM.INFO.{stream}", {"subjects_filter": pattern, "offset": offset})
            page = info["state"].get("subjects") or {}
            found |= dict.fromkeys(page)
            offset, total = offset + len(page), int(info.get("total", 0)) if page else 0
    return list(found)


async def next_of(connection: NatsConnection, stream: str, subject: str, seq: int) -> Held | None:
    """The first message of a subject at or behind a sequence, None when there is none (or no such stream).

    Raises:
        StreamError: refused. DeadlineExceeded, NotConnected: no answer.
    """
    body = json.dumps({"seq": max(1, seq), "next_by_subj": subject, "batch": 1}).encode()
    try:
        message = await direct_request(connection, stream, body)
    except StreamMissing:
        return None
    return _held(message, stream)


async def some_of(
    connection: NatsConnection,
    stream: str,
    subject: str,
    seq: int,
    most: int,
    *,
    since_ns: int | None = None,
    timeout_s: float = API_TIMEOUT_S,
) -> list[Held]:
    """Up to `most` messages of a subject (wildcards allowed) at or behind a sequence, in their order; none when there
    is no such stream. With `since_ns`, nanoseconds UTC, at or behind this time instead, by the server's clock.

    Raises:
        StreamError: refused. DeadlineExceeded, NotConnected: no answer.
    """
    begin = {"seq": max(1, seq)} if since_ns is None else {"start_time": _rfc3339(since_ns)}
    return await _batch(connection, stream, {**begin, "next_by_subj": subject, "batch": most}, timeout_s)


async def held_between(connection: NatsConnection, stream: str, subject: str, start: int, end: int) -> list[Held]:
    """Every message of a subject from one sequence to another, both of them too. Raises as `some_of`."""
    found: list[Held] = []
    while start <= end:
        some = await some_of(connection, stream, subject, start, _PAGE)
        found += [each for each in some if each.seq <= end]
        if len(some) < _PAGE:
            break
        start = some[-1].seq + 1
    return found


async def count_from(connection: NatsConnection, stream: str, subject: str, seq: int) -> int:
    """How many messages of a subject a stream holds at or behind a sequence. Raises as `next_of`."""
    first = await next_of(connection, stream, subject, seq)
    return 0 if first is None else first.more + 1


async def _batch(
    connection: NatsConnection, stream: str, body: dict[str, Any], timeout_s: float = API_TIMEOUT_S
) -> list[Held]:
    """Every message of a batch."""
    return (await _batch_and_end(connection, stream, body, timeout_s))[0]


async def _batch_and_end(
    connection: NatsConnection, stream: str, body: dict[str, Any], timeout_s: float
) -> tuple[list[Held], int]:
    """Every message of a batch, and up to which sequence who answered has the stream, 0 where that is not said."""
    found: list[Held] = []
    ends = [0]
    done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def receive(message: Msg) -> None:
        status = (message.headers or {}).get("Status", "")
        try:
            held = None if status else _held(message, stream)
        except StreamError as error:
            _set(done, str(error))
            return
        if held is not None:
            found.append(held)
        elif status in (_END, _NOTHING):
            ends.append(int((message.headers or {}).get("Nats-UpTo-Sequence", 0)))
            _set(done, "")
        else:
            _set(done, status)

    inbox = connection.inbox()
    stop = await connection.subscribe(inbox, receive)
    forget = connection.on_disconnect(lambda: _set(done, _AWAY))
    try:
        await connection.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(body).encode(), None, inbox)
        async with asyncio.timeout(timeout_s):
            status = await done
    except TimeoutError as error:
        raise DeadlineExceeded(f"stream {stream}: no end of a batch within {timeout_s:g} s") from error
    finally:
        forget()
        await stop()
    if status == _AWAY:
        raise NotConnected(f"NATS at {connection.url} went away before the end of a batch")
    if status == "503":  # nobody serves it: there is no such stream, or it has just been made
        return [], 0
    if status == _TOO_MANY:
        raise _TooManySubjects(f"stream {stream}: direct get: expected fewer subjects, were too many")
    if status:
        raise StreamError(f"stream {stream}: direct get: expected a batch of messages, was {status}")
    return found, ends[-1]


def _set(done: asyncio.Future[str], status: str) -> None:
    if not done.done():
        done.set_result(status)


def _held(message: Msg, stream: str) -> Held | None:
    headers = message.headers or {}
    if "Nats-Sequence" not in headers:
        status = headers.get("Status", "")
        if status == _NOTHING:
            return None
        raise StreamError(f"stream {stream}: direct get: {headers.get('Description', status or 'no message')}")
    try:
        return Held(
            headers["Nats-Subject"],
            int(headers["Nats-Sequence"]),
            message.data,
            nanoseconds(headers.get("Nats-Time-Stamp", "")),
            int(headers.get("Nats-Num-Pending", 0)),
            headers,
        )
    except (KeyError, ValueError) as error:
        raise StreamError(f"stream {stream}: direct get: expected a stored message, its headers are none") from error


async def leader_time_of(connection: NatsConnection, stream: str, seq: int) -> int | None:
    """When the message at a sequence was taken, nanoseconds UTC, as the stream's leader has it; None if there is none.

    Raises:
        StreamMissing: there is no such stream. StreamError: refused. DeadlineExceeded, NotConnected: no answer.
    """
    message = await leader_message(connection, stream, {"seq": seq})
    return None if message is None else nanoseconds(str(message["time"]))


async def leader_next(connection: NatsConnection, stream: str, subject: str, seq: int) -> int | None:
    """The first message of a subject (wildcards allowed) at or behind a sequence, as the stream's leader has it: its
    sequence, None if there is none.

    Raises:
        StreamMissing: there is no such stream. StreamError: refused. DeadlineExceeded, NotConnected: no answer.
    """
    message = await leader_message(connection, stream, {"seq": max(1, seq), "next_by_subj": subject})
    return None if message is None else int(message["seq"])


def nanoseconds(text: str) -> int:
    """Nanoseconds UTC of a time as the server writes it (RFC 3339 with up to nine digits), 0 of none."""
    if not text:
        return 0
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * 1_000_000_000 + int(fraction[:9].ljust(9, "0") or 0)


def _rfc3339(ts: int) -> str:
    """A time as the server reads it."""
    whole = datetime.fromtimestamp(ts // 1_000_000_000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ts % 1_000_000_000:09d}Z"


__all__ = [
    "Held",
    "count_from",
    "held_between",
    "last_of_each",
    "last_to_expect",
    "leader_next",
    "leader_time_of",
    "nanoseconds",
    "next_of",
    "some_of",
]
