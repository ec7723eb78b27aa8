"""Key-value bucket by direct get and compare-and-swap publish.

nats-py 2.16's own has four faults that matter here: its `watch` is blind for some 19 s after a server restart, its
`get` returns the marker of an expired key as a live entry, its `create` then fails until the marker is gone, and it
asks through a consumer. This one watches the bucket's republish subject and knows the markers.
Standard clients can read it.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from marketprism_sdk.errors import Fenced, KeyExists, RevisionConflict, StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_of_each
from marketprism_sdk.nats.jetstream import (
    API_TIMEOUT_S,
    PubAck,
    api,
    direct_request,
    ensure_stream,
    leader_info,
    leader_message,
    publish_ack,
    stream_info,
)
from marketprism_sdk.nats.stream_config import identity
from marketprism_sdk.observability.logger import Logger, get_logger
from marketprism_sdk.ports import KvEntry, Stop

if TYPE_CHECKING:
    from nats.aio.msg import Msg

log: Logger = get_logger(__name__)

T = TypeVar("T")
_OPERATION = "KV-Operation"
_MARKER = "Nats-Marker-Reason"
_ATTEMPTS = 5
_MOST_REFUSED = 1_000


def bucket_config(bucket: str, ttl_s: float | None = None, replicas: int = 1) -> dict[str, Any]:
    """The stream of a bucket. `ttl_s` is the age at which entries go."""
    config: dict[str, Any] = {
        "name": f"KV_{bucket}",
        "subjects": [f"$KV.{bucket}.>"],
        "max_msgs_per_subject": 1,
        "discard": "new",
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "deny_purge": False,
        "allow_direct": True,
        "num_replicas": replicas,
        "storage": "file",
        "max_age": int(ttl_s * 1e9) if ttl_s else 0,
        "republish": {"src": f"$KV.{bucket}.>", "dest": f"kv.{bucket}.>"},
        "metadata": identity(),
    }
    if ttl_s:
        config["duplicate_window"] = min(int(ttl_s * 1e9), 120_000_000_000)
    return config


class NatsKeyValue:
    """Fulfils `KeyValue` on the stream `KV_<bucket>`.

    `open` is for who writes: the bucket is made, and made again when somebody deletes it. `existing` is for who reads:
    a bucket that nobody has made yet is empty.
    """

    def __init__(self, connection: NatsConnection, bucket: str) -> None:
        self._connection = connection
        self._config: dict[str, Any] | None = None
        self._may_miss = False
        self._refused: dict[str, None] = {}  # keys of which a write was refused, the oldest first
        self._answer_s = API_TIMEOUT_S
        self.bucket = bucket
        self.stream: str = f"KV_{bucket}"
        self._prefix = f"$KV.{bucket}."
        self._republish = f"kv.{bucket}."

    @classmethod
    async def open(
        cls,
        connection: NatsConnection,
        bucket: str,
        *,
        ttl_s: float | None = None,
        replicas: int = 1,
        answer_s: float = API_TIMEOUT_S,
    ) -> NatsKeyValue:
        """Open the bucket, made if it is not there. `ttl_s` is the age at which entries go, `answer_s` how long an
        answer of it is waited for."""
        made = cls(connection, bucket)
        made._config = bucket_config(bucket, ttl_s, replicas)
        made._answer_s = answer_s
        await ensure_stream(connection, made._config)
        return made

    @classmethod
    def existing(cls, connection: NatsConnection, bucket: str) -> NatsKeyValue:
        """The bucket as others make it: empty as long as it is not there, and never made."""
        found = cls(connection, bucket)
        found._may_miss = True
        return found

    async def _there(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer of the bucket; one that was deleted is made again first, by those who write to it."""
        try:
            return await ask()
        except StreamMissing:
            if self._config is None:
                raise
        log.warning("bucket.recreated", bucket=self.bucket)
        await ensure_stream(self._connection, self._config)
        return await ask()

    async def _looked(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """The answer of the bucket, None of one that is not there and may be missing."""
        try:
            return await self._there(ask)
        except StreamMissing:
            if self._may_miss:
                return None
            raise

    async def _last(self, key: str) -> KvEntry | None:
        """The last record of a key, deletions and markers included."""
        body = json.dumps({"last_by_subj": self._prefix + key}).encode()
        message = await self._looked(lambda: direct_request(self._connection, self.stream, body, self._answer_s))
        if message is None:
            return None
        headers = message.headers or {}
        if "Nats-Sequence" not in headers:
            return None
        return KvEntry(key, message.data, int(headers["Nats-Sequence"]), _deleted(headers), self.bucket)

    async def _last_at_leader(self, key: str) -> KvEntry | None:
        """The same as the leader of the bucket's stream has it."""
        which = {"last_by_subj": self._prefix + key}
        message = await self._looked(lambda: leader_message(self._connection, self.stream, which, self._answer_s))
        if message is None:
            return None
        lines = base64.b64decode(message.get("hdrs", "")).decode(errors="replace").split("\r\n")
        headers = {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}
        value = base64.b64decode(message.get("data", ""))
        return KvEntry(key, value, int(message["seq"]), _deleted(headers), self.bucket)

    async def get(self, key: str) -> KvEntry | None:
        """The live entry of a key, as some replica has it: it may lag behind a write that was acknowledged. Whoever was
        refused a write is told what the leader of the bucket's stream has."""
        if key in self._refused:
            entry = await self._last_at_leader(key)
            self._refused.pop(key, None)
        else:
            entry = await self._last(key)
        return None if entry is None or entry.deleted else entry

    async def get_latest(self, key: str) -> KvEntry | None:
        """The live entry of a key as the leader of the bucket's stream has it: no acknowledged write is newer."""
        entry = await self._last_at_leader(key)
        return None if entry is None or entry.deleted else entry

    async def create(self, key: str, value: bytes) -> int:
        """First write; a deleted or expired key counts as free."""
        last = await self._last(key)
        for _ in range(_ATTEMPTS):
            if last is None or last.deleted:
                with contextlib.suppress(RevisionConflict):
                    return await self._write(key, value, last.revision if last else 0)
            # Nobody else is blamed for what a replica that lags behind says, nor for a deletion under way.
            last = await self._last_at_leader(key)
            if last is not None and not last.deleted:
                self._note_refused(key)
                raise KeyExists(f"{self.bucket}/{key}: expected no entry, one is there")
        raise KeyExists(f"{self.bucket}/{key}: other writers were first, again and again")

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """The new revision, if `revision` is still the key's. Raises RevisionConflict."""
        return await self._write(key, value, revision)

    async def _write(self, key: str, value: bytes, revision: int, operation: str = "") -> int:
        headers = {
            "Nats-Expected-Last-Subject-Sequence": str(revision),
            **({_OPERATION: operation} if operation else {}),
        }
        try:
            subject = self._prefix + key
            return (await self._there(lambda: self._publish(subject, value, headers))).seq
        except Fenced as error:
            self._note_refused(key)
            raise RevisionConflict(
                f"{self.bucket}/{key}: expected revision {revision}, another writer was first"
            ) from error

    def _note_refused(self, key: str) -> None:
        self._refused[key] = None
        if len(self._refused) > _MOST_REFUSED:  # nobody asks
            del self._refused[next(iter(self._refused))]

    async def _publish(self, subject: str, value: bytes, headers: Mapping[str, str] | None = None) -> PubAck:
        return await publish_ack(self._connection, subject, value, headers, self._answer_s)

    async def put(self, key: str, value: bytes) -> int:
        """The new revision, whatever the key's was."""
        return (await self._there(lambda: self._publish(self._prefix + key, value))).seq

    async def delete(self, key: str, revision: int | None = None) -> None:
        """Write a deletion, for who watches, and take the key out: names that come and go must leave nothing.

        With a revision only if it is still the key's. Raises RevisionConflict.
        """
        if revision is None:
            subject, headers = self._prefix + key, {_OPERATION: "DEL"}
            written = (await self._there(lambda: self._publish(subject, b"", headers))).seq
        else:
            written = await self._write(key, b"", revision, "DEL")
        await api(self._connection, f"STREAM.PURGE.{self.stream}", {"filter": self._prefix + key, "seq": written + 1})

    async def entries(self, prefix: str = "") -> list[KvEntry]:
        """Every live entry under a prefix, in the order of the keys, by one question; a replica that lags may lack some
        that were acknowledged."""
        return await self._entries(prefix, 0)

    async def entries_latest(self, prefix: str = "") -> list[KvEntry]:
        """The same, and no acknowledged write is newer: for who acts on an entry that is not there. The leader of the
        bucket's stream is asked first how far it is.

        Raises:
            StreamError: one with `retryable`: there is no leader now, or no replica that is as far.
        """
        info = await self._looked(lambda: leader_info(self._connection, self.stream, self._answer_s))
        return [] if info is None else await self._entries(prefix, int(info["state"]["last_seq"]))

    async def _entries(self, prefix: str, at_least: int) -> list[KvEntry]:
        tokens = prefix[: prefix.rfind(".") + 1]
        held = await last_of_each(
            self._connection,
            self.stream,
            [f"{self._prefix}{tokens}>"],
            at_least=at_least,
            timeout_s=self._answer_s,
        )
        if not held:  # nothing in it, or no bucket: one that was deleted is made again
            try:
                await self._there(lambda: stream_info(self._connection, self.stream))
            except StreamMissing:
                if not self._may_miss:
                    raise
        return [
            KvEntry(key, each.data, each.seq, deleted=False, bucket=self.bucket)
            for key, each in sorted((subject.removeprefix(self._prefix), each) for subject, each in held.items())
            if key.startswith(prefix) and not _deleted(each.headers)
        ]

    async def entries_if_there(self) -> list[KvEntry]:
        """Every live entry; none when nobody has made the bucket yet."""
        return await NatsKeyValue.existing(self._connection, self.bucket).entries()

    async def watch(self, prefix: str, on_entry: Callable[[KvEntry], None]) -> Stop:
        """Committed changes by the republish subject; survives a server restart."""

        def receive(message: Msg) -> None:
            key = message.subject.removeprefix(self._republish)
            if not key.startswith(prefix):
                return
            headers = message.headers or {}
            revision = int(headers.get("Nats-Sequence", 0))
            on_entry(KvEntry(key, message.data, revision, _deleted(headers), self.bucket))

        # Whole tokens of the prefix narrow what the server sends; the rest is looked at here.
        tokens = prefix.split(".")[:-1]
        return await self._connection.subscribe(f"{self._republish}{''.join(f'{t}.' for t in tokens)}>", receive)


def _deleted(headers: Mapping[str, str]) -> bool:
    """Whether the last record of a key says that it is gone: somebody deleted it, or its time was over."""
    return headers.get(_OPERATION) in ("DEL", "PURGE") or _MARKER in headers


__all__ = ["NatsKeyValue", "bucket_config"]
