"""Atomic batch: up to 1 000 messages that enter one stream together or not at all (nats-server 2.12, ADR-50)."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping, Sequence

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import PubAck, publish_ack
from marketprism_sdk.nats.subjects import check_subject

MAX_MESSAGES = 1_000
_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_ids = itertools.count()
_process = secrets.token_hex(6)


class AtomicBatch:
    """Messages go out as they are added, so core subscribers see them at once; the stream takes them at `commit`.

    The stream needs `allow_atomic`.
    """

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self._id = f"{_process}{next(_ids):x}"
        self._head = f"NATS/1.0\r\nNats-Batch-Id: {self._id}\r\nNats-Batch-Sequence: "
        self.count: int = 0

    async def add(
        self, subject: str, payload: bytes, expected_seq: int | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        """Send one message; returns its place in the batch, from 1. `headers` may hold a fence (first message)."""
        self.count += 1
        tail = "" if expected_seq is None else f"{_EXPECTED}: {expected_seq}\r\n"
        if headers:
            tail += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        raw = f"{self._head}{self.count}\r\n{tail}\r\n".encode()
        await self._connection.publish(subject, payload, raw)
        return self.count

    async def add_all(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Send (subject, payload) of many, none with a header of its own or more than the server takes in one message:
        without a coroutine and a flush for each."""
        head, commands, size = self._head.encode(), [], 0
        for subject, payload in messages:
            check_subject(subject)
            self.count += 1
            raw = b"%b%d\r\n\r\n" % (head, self.count)
            sizes = (len(raw), len(raw) + len(payload))
            commands.append(b"HPUB %b %d %d\r\n%b%b\r\n" % (subject.encode(), *sizes, raw, payload))
            size += len(payload)
        await self._connection.send(commands, size)

    async def commit(
        self,
        subject: str,
        payload: bytes,
        expected_seq: int | None = None,
        timeout_s: float = 5.0,
        headers: Mapping[str, str] | None = None,
    ) -> PubAck:
        """Send the last message and wait; the receipt's `seq` is that of the last message, the others precede it.

        Raises:
            Fenced: an expected sequence was not met; nothing of the batch is in the stream.
            StreamError: refused. DeadlineExceeded, NotConnected: the outcome is not known.
        """
        self.count += 1
        own = {"Nats-Batch-Id": self._id, "Nats-Batch-Sequence": str(self.count), "Nats-Batch-Commit": "1"}
        if expected_seq is not None:
            own[_EXPECTED] = str(expected_seq)
        return await publish_ack(self._connection, subject, payload, {**own, **(headers or {})}, timeout_s)
