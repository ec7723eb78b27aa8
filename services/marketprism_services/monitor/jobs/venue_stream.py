"""What venues sent, read from its stream at an instant: the newest of each instrument, and counts between two times.

The server counts and looks up, so that a job reads one message of each instrument however many there are in a day.
Times are nanoseconds UTC; a message's own is when the stream took it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from marketprism_adapters.nats import streams
from marketprism_application.contracts.codec import ContractError, decode
from marketprism_application.contracts.kinds import DataKind
from marketprism_sdk.errors import StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import Held, last_of_each, some_of
from marketprism_sdk.nats.jetstream import stream_info

R = TypeVar("R")
_ANY = "*"
_PAGE = 500
_PARALLEL = 8
DAY_NS = 86_400 * 10**9


class Taken(NamedTuple):
    """A message before it is decoded, and by which subject it was found."""

    messages: Mapping[str, Held]

    def since(self, ts: int) -> Taken:
        """Those that were taken at `ts` or later."""
        return Taken({subject: held for subject, held in self.messages.items() if held.ts >= ts})


def subjects_of(kind: DataKind, venue: str = _ANY) -> str:
    """Every subject of a kind, of one venue or of all."""
    return kind.subject.format(venue=venue, symbol=_ANY)


async def venues_of(connection: NatsConnection) -> list[str]:
    """The venues whose messages the stream takes, none before the first gateway. Raises SdkError."""
    try:
        subjects = (await stream_info(connection, streams.DATA))["config"]["subjects"]
    except StreamMissing:
        return []
    parts = [subject.split(".") for subject in subjects]
    return sorted(part[1] for part in parts if len(part) == 3 and part[0] == "market")


async def newest_before(connection: NatsConnection, stream: str, subjects: Sequence[str], ts: int) -> Taken:
    """The newest message of each subject that was taken by `ts`. Raises SdkError."""
    return Taken(await last_of_each(connection, stream, list(subjects), before_ts=ts))


async def decoded(kind: DataKind, model: type[R], taken: Taken) -> tuple[dict[str, R], int]:
    """Records by subject, and how many messages were none; in a thread, as there may be thousands."""
    return await asyncio.to_thread(_decode, kind, model, taken)


def _decode(kind: DataKind, model: type[R], taken: Taken) -> tuple[dict[str, R], int]:
    found: dict[str, R] = {}
    for subject, held in taken.messages.items():
        try:
            record = decode(kind, held.data)
        except ContractError:
            continue
        if isinstance(record, model):
            found[subject] = record
    return found, len(taken.messages) - len(found)


async def begins_at(connection: NatsConnection, stream: str, subject: str) -> int | None:
    """When the oldest message that is held was taken; None where none is. Raises SdkError."""
    first = await some_of(connection, stream, subject, 1, 1)
    return first[0].ts if first else None


async def behind(connection: NatsConnection, stream: str, subject: str, times: Iterable[int]) -> list[int]:
    """How many messages each of the times has behind it, by one question each. Raises SdkError."""
    room = asyncio.Semaphore(_PARALLEL)

    async def count(ts: int) -> int:
        async with room:
            first = await some_of(connection, stream, subject, 0, 1, since_ns=ts)
        return first[0].more + 1 if first else 0

    return list(await asyncio.gather(*(count(ts) for ts in times)))


async def between(
    connection: NatsConnection, stream: str, subject: str, ts_from: int, ts_to: int, most: int
) -> list[Held]:
    """Messages taken in [ts_from, ts_to), the first `most` of them. Raises SdkError."""
    found: list[Held] = []
    page = await some_of(connection, stream, subject, 0, min(_PAGE, most), since_ns=ts_from)
    while page:
        found += [held for held in page if held.ts < ts_to]
        if page[-1].ts >= ts_to or len(found) >= most:
            break
        page = await some_of(connection, stream, subject, page[-1].seq + 1, min(_PAGE, most - len(found)))
    return found


__all__ = ["DAY_NS", "Taken", "begins_at", "behind", "between", "decoded", "newest_before", "subjects_of", "venues_of"]
