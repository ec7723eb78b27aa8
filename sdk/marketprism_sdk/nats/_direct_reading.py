"""Messages of a subject while nobody gives their reader a consumer: replicas answer for them without a leader.

The leader of JetStream gives consumers out, and gives some of them to a server that has gone and is not missed yet:
behind a cut that takes up to twenty seconds. What a replica has was committed, and it has it in order; one that is
behind has less.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Protocol

from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import Held, some_of
from marketprism_sdk.observability.logger import Logger, get_logger

log: Logger = get_logger(__name__)

_AFTER_S = 0.3  # a server that is well has answered by then
_EACH_S = 0.05
_ANSWER_S = 1.0


class Reader(Protocol):
    """Who takes the messages."""

    @property
    def next_seq(self) -> int:
        """The sequence behind the last message that it has."""
        ...

    def room(self) -> int:
        """How many it takes at once now."""
        ...

    def add(self, batch: Sequence[Held]) -> None:
        """Take these, one at least."""
        ...


@asynccontextmanager
async def reading_directly(
    connection: NatsConnection, stream: str, subject: str, reader: Reader
) -> AsyncIterator[None]:
    """Meanwhile the reader gets the messages of the subject (none: it does not), if that takes longer than a moment."""
    if not subject:
        yield
        return
    reading = asyncio.get_running_loop().create_task(_read(connection, stream, subject, reader))
    try:
        yield
    finally:
        reading.cancel()
        (ended,) = await asyncio.gather(reading, return_exceptions=True)
        if isinstance(ended, Exception):  # a defect; the consumer brings what this has not
            log.error("reader.direct_ended", stream=stream, subject=subject, exc_info=ended)


async def _read(connection: NatsConnection, stream: str, subject: str, reader: Reader) -> None:
    await asyncio.sleep(_AFTER_S)
    log.info("reader.direct", stream=stream, subject=subject, seq=reader.next_seq)
    while True:
        found: Sequence[Held] = ()
        if (most := reader.room()) > 0:
            try:
                found = whole(await some_of(connection, stream, subject, reader.next_seq, most, timeout_s=_ANSWER_S))
            except SdkError as error:
                log.debug("reader.direct_failed", stream=stream, error=str(error))
        if found:
            reader.add(found)
        await asyncio.sleep(_EACH_S)


def whole(batch: Sequence[Held]) -> Sequence[Held]:
    """A batch as far as nothing is missing in it: each message says how many come behind it."""
    for at, (one, following) in enumerate(pairwise(batch), 1):
        if following.more != one.more - 1 or following.seq <= one.seq:
            return batch[:at]
    return batch


__all__ = ["Reader", "reading_directly", "whole"]
