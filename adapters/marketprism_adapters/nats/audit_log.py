"""AuditLog on the stream AUDIT: what is in it can be neither changed nor taken out, and is there for 400 days."""

from __future__ import annotations

import msgspec

from marketprism_application.contracts.access_records import AuditRecord
from marketprism_sdk.errors import StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api, direct_get, ensure_stream, publish_ack
from marketprism_sdk.nats.stream_config import identity
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import decode_or_none

AUDIT = "AUDIT"
AUDIT_S = 400 * 86_400.0


def audit_config(replicas: int = 1) -> dict[str, object]:
    """The configuration of a stream from which nothing can be taken."""
    return {
        "name": AUDIT,
        "subjects": ["audit.>"],
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "num_replicas": replicas,
        "max_age": int(AUDIT_S * 1e9),
        "allow_direct": True,
        "deny_delete": True,
        "deny_purge": True,
        "metadata": identity(),
    }


class NatsAuditLog:
    """Fulfils `AuditLog`. `start` makes the stream where it is missing; who only reads needs none."""

    def __init__(self, connection: NatsConnection, replicas: int = 1) -> None:
        self._connection = connection
        self._config = audit_config(replicas)

    async def start(self) -> None:
        """Make the stream. Raises as `ensure_stream`."""
        await ensure_stream(self._connection, self._config)

    async def add(self, record: AuditRecord) -> None:
        """Add a record on `audit.<area>.<action>`, acknowledged. Raises what publishing raises."""
        subject, value = f"audit.{record.action}", msgspec.msgpack.encode(record)
        try:
            await publish_ack(self._connection, subject, value)
        except StreamMissing:
            await self.start()
            await publish_ack(self._connection, subject, value)

    async def newest(self, limit: int, before: int | None = None) -> list[tuple[int, AuditRecord]]:
        """Records by their sequence, newest first. Raises what the stream raises."""
        try:
            state = (await api(self._connection, f"STREAM.INFO.{AUDIT}"))["state"]
        except StreamMissing:
            return []
        found: list[tuple[int, AuditRecord]] = []
        seq = int(state["last_seq"]) if before is None else min(before - 1, int(state["last_seq"]))
        while seq >= max(1, int(state["first_seq"])) and len(found) < limit:
            message = await direct_get(self._connection, AUDIT, seq)
            if message is not None:
                entry = KvEntry(message.subject, message.data, seq, bucket=AUDIT)
                if (record := decode_or_none(entry, AuditRecord)) is not None:
                    found.append((seq, record))
            seq -= 1
        return found


__all__ = ["AUDIT", "AUDIT_S", "NatsAuditLog", "audit_config"]
