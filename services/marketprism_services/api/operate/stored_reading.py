"""Reads streams and buckets for who looks at them: by direct get, in bounded pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import Held, held_between, last_of_each, nanoseconds, some_of
from marketprism_sdk.nats.jetstream import api, stream_info

JsonMap: TypeAlias = Mapping[str, Any]  # of the server's own JSON
_WITHIN_S = 2.0
_MOST_SUBJECTS = 20_000  # whose counts are read; of more there is no list
_SHOWN_SUBJECTS = 50
_MOST_CONSUMERS = 256  # as many as the server lists at a time
_WIDEST, _MOST_WINDOWS = 8_192, 96  # a window may be full: it is read whole
_MOST_READ = 5_000  # messages, after which no other window is


class MessagePage(NamedTuple):
    """Messages in order, and the range that the stream holds. `more`: there are others behind them, or, of the newest,
    before them."""

    messages: tuple[Held, ...]
    first_seq: int
    last_seq: int
    more: bool


class EntryPage(NamedTuple):
    """Entries by key, and how many keys there are that fit."""

    entries: tuple[tuple[str, Held], ...]
    fitting: int


def stream_row(name: str, info: JsonMap) -> dict[str, object]:
    """What a stream is and holds, of the server's answer about it; times in nanoseconds UTC."""
    config, state = info["config"], info["state"]
    return {
        "stream": name,
        "subjects": config.get("subjects", []),
        "messages": state["messages"],
        "bytes": state["bytes"],
        "max_bytes": max(0, int(config.get("max_bytes", 0))),
        "max_age_s": int(config.get("max_age", 0)) / 1e9,
        "first_seq": state["first_seq"],
        "last_seq": state["last_seq"],
        "ts_first": nanoseconds(state.get("first_ts", "")) if state["messages"] else None,
        "ts_last": nanoseconds(state.get("last_ts", "")) if state["messages"] else None,
        "replicas": config.get("num_replicas", 1),
    }


class StoredReader:
    """Every method raises StreamMissing where there is no such stream, and what else the SDK raises."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    async def info(self, stream: str) -> JsonMap:
        """Configuration and state as the server has them."""
        return await stream_info(self._connection, stream, within_s=_WITHIN_S)

    async def stream(self, name: str) -> dict[str, object]:
        """State, the subjects with the most messages, and every consumer with what waits for it."""
        info, consumers = await asyncio.gather(self.info(name), self._consumers(name))
        config, state = info["config"], info["state"]
        count = int(state.get("num_subjects", 0))
        found: dict[str, int] = {}
        if count <= _MOST_SUBJECTS:
            listed = await api(self._connection, f"STREAM.INFO.{name}", {"subjects_filter": ">"})
            found = listed["state"].get("subjects") or {}
        most = sorted(found.items(), key=lambda each: (-each[1], each[0]))[:_SHOWN_SUBJECTS]
        return {
            **stream_row(name, info),
            "retention": config.get("retention", ""),
            "deleted": int(state.get("num_deleted", 0)),
            "subject_count": count,
            "top_subjects": [{"subject": subject, "messages": messages} for subject, messages in most],
            "consumers": consumers,
        }

    async def _consumers(self, name: str) -> list[dict[str, object]]:
        listed = await api(self._connection, f"CONSUMER.LIST.{name}", {"offset": 0})
        rows = [_consumer(each) for each in (listed.get("consumers") or [])[:_MOST_CONSUMERS]]
        return sorted(rows, key=lambda row: str(row["consumer"]))

    async def messages(
        self, stream: str, subject: str, *, after: int | None, since_ns: int | None, limit: int
    ) -> MessagePage:
        """Messages behind a sequence, or taken at a time or later, oldest first; without either the newest."""
        state = (await self.info(stream))["state"]
        first, last = int(state["first_seq"]), int(state["last_seq"])
        if after is None and since_ns is None:
            found, more = await self._newest(stream, subject, first, last, limit)
        else:
            read = await some_of(self._connection, stream, subject, (after or 0) + 1, limit + 1, since_ns=since_ns)
            found, more = read[:limit], len(read) > limit
        return MessagePage(tuple(found), first, last, more)

    async def _newest(self, stream: str, subject: str, first: int, last: int, limit: int) -> tuple[list[Held], bool]:
        """Looked for in windows from the end on; where a subject is rare, in so many of them and no more."""
        found: list[Held] = []
        end, window, read = last, max(limit, 64), 0
        for _ in range(_MOST_WINDOWS):
            if end < max(1, first) or len(found) > limit or read > _MOST_READ:
                break
            start = max(1, first, end - window + 1)
            held = await held_between(self._connection, stream, subject, start, end)
            read += len(held)
            found = [*held, *found]
            end, window = start - 1, min(_WIDEST, window * 4)
        return found[-limit:], len(found) > limit or end >= max(1, first)

    async def entries(self, bucket: str, pattern: str, limit: int) -> EntryPage:
        """The entries whose keys fit a pattern of NATS, by key."""
        stream, prefix = f"KV_{bucket}", f"$KV.{bucket}."
        listed = await api(self._connection, f"STREAM.INFO.{stream}", {"subjects_filter": prefix + pattern})
        subjects: Mapping[str, int] = listed["state"].get("subjects") or {}
        wanted = sorted(subjects)[:limit]
        held = await last_of_each(self._connection, stream, wanted) if wanted else {}
        # Empty: a key that was deleted or has run out, and whose mark is still there.
        entries = ((name.removeprefix(prefix), held[name]) for name in wanted if name in held and held[name].data)
        return EntryPage(tuple(entries), len(subjects))


def _consumer(info: JsonMap) -> dict[str, object]:
    config = info.get("config", {})
    delivered, acked = info.get("delivered", {}), info.get("ack_floor", {})
    return {
        "consumer": str(info.get("name", "")),
        "durable": bool(config.get("durable_name")),
        "filters": config.get("filter_subjects") or ([config["filter_subject"]] if "filter_subject" in config else []),
        "pending": int(info.get("num_pending", 0)),
        "unacknowledged": int(info.get("num_ack_pending", 0)),
        "redelivered": int(info.get("num_redelivered", 0)),
        "waiting": int(info.get("num_waiting", 0)),
        "delivered_seq": int(delivered.get("stream_seq", 0)),
        "acknowledged_seq": int(acked.get("stream_seq", 0)),
        "ts_active": nanoseconds(str(delivered.get("last_active", ""))) or None,
    }
