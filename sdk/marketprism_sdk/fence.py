"""Fence: a record in the stream that is written to; only writes that expect it exactly are taken.

The record is rewritten under each epoch, so a write of an earlier epoch expects a sequence that is no longer the last
of the fence subject and is refused by the server.
"""

from __future__ import annotations

import msgspec

from marketprism_sdk.errors import Fenced
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import direct_get_last, publish_ack


class FenceRecord(msgspec.Struct, frozen=True):
    """What the fence subject holds."""

    holder: str
    epoch: int


async def raise_fence(connection: NatsConnection, stream: str, subject: str, holder: str, epoch: int) -> dict[str, str]:
    """Write the fence under `epoch` and return the headers that every write must carry.

    Raises:
        Fenced: the fence is at this epoch or a later one already.
    """
    last = await direct_get_last(connection, stream, subject)
    if last is not None:
        record = msgspec.msgpack.decode(last.data, type=FenceRecord)
        if record.epoch >= epoch:
            raise Fenced(f"{subject}: expected a fence below epoch {epoch}, was {record.epoch} of {record.holder}")
    expected = {"Nats-Expected-Last-Subject-Sequence": str(last.seq if last is not None else 0)}
    ack = await publish_ack(connection, subject, msgspec.msgpack.encode(FenceRecord(holder, epoch)), expected)
    return {
        "Nats-Expected-Last-Subject-Sequence": str(ack.seq),
        "Nats-Expected-Last-Subject-Sequence-Subject": subject,
    }
