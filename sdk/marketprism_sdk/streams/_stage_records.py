"""Records of a stage in its output stream, where others can write too: what is none is passed over, not believed."""

from __future__ import annotations

from collections.abc import Callable

from marketprism_sdk.errors import StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_of_each, last_to_expect
from marketprism_sdk.nats.jetstream import StoredMessage
from marketprism_sdk.observability.logger import get_logger

log = get_logger(__name__)

_BACK = 100  # messages that are passed over


async def last_record(
    connection: NatsConnection, stream: str, subject: str, understood: Callable[[bytes], bool]
) -> tuple[StoredMessage | None, int]:
    """The last message of a subject that is understood, None where there is no message; and the sequence of the last
    message whatever it is, 0 where there is none: for a write that expects it.

    Raises:
        StreamError: there are messages, and none of the last hundred is understood. SdkError: no answer.
    """
    newest = found = await last_to_expect(connection, stream, subject)
    if newest is None:
        return None, 0
    passed = 0
    while found is not None and not understood(found.data) and passed < _BACK:
        passed += 1
        log.error("checkpoint.malformed", subject=subject, seq=found.seq, detail="the one before it holds")
        before = (await last_of_each(connection, stream, [subject], found.seq - 1)) if found.seq > 1 else {}
        held = before.get(subject)
        found = None if held is None else StoredMessage(held.subject, held.seq, held.data)
    if found is None or not understood(found.data):
        raise StreamError(f"{subject}: expected a record of a stage, was {len(newest.data)} bytes of something else")
    return found, newest.seq


__all__ = ["last_record"]
