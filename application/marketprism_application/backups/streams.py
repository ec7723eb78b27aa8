"""The digest of a stream that goes on while a snapshot of it is taken: of messages that were there before and after.

Nobody can say what the server's snapshot holds but by reading it back. A message that was there before it began and
is there behind it is in it; what came or went meanwhile may be or not, and is left out of the digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from marketprism_application.ports.backup import StreamCopies, StreamState

_REMEMBERED = 200_000  # messages whose digests are kept one by one; a stream with more loses from its front alone

Ranges = tuple[tuple[int, int], ...]


class Compared(NamedTuple):
    """How many messages lie in ranges of sequences (first and last, both included), and their digest."""

    ranges: Ranges
    messages: int
    digest: str


class StreamWitness:
    """Looks at a stream before its snapshot and behind it."""

    def __init__(self, copies: StreamCopies, stream: str) -> None:
        self._copies = copies
        self._stream = stream
        self._state = StreamState("", 0, 0, 0, 0, readable=False)
        self._before: dict[int, bytes] = {}

    async def look(self) -> str:
        """See what is there before the snapshot; when the stream was made."""
        state = self._state = await self._copies.state(self._stream)
        if state.readable and state.messages <= _REMEMBERED:
            self._before = await self._all(state)
        return state.created

    async def compare(self) -> Compared | None:
        """What was there all the time; None where another stream has the name by now."""
        before, after = self._state, await self._copies.state(self._stream)
        if after.created != before.created:
            return None
        if not before.readable:
            return Compared((), 0, "")
        if before.messages > _REMEMBERED:
            if after.deleted != before.deleted:
                return Compared((), 0, "")
            ranges: Ranges = ((after.first, before.last),) if after.first <= before.last else ()
            return await compare_within(self._copies, self._stream, ranges)
        there = await self._all(after)
        ranges = ranges_of(sorted(self._before), {seq for seq, each in self._before.items() if there.get(seq) == each})
        return await compare_within(self._copies, self._stream, ranges, there)

    async def _all(self, state: StreamState) -> dict[int, bytes]:
        return {seq: each async for seq, each in self._copies.digests(self._stream, state.first, state.last)}


def ranges_of(before: Sequence[int], common: Iterable[int]) -> Ranges:
    """Ranges of the sequences `before`, in their order, that are in `common`; what is in neither breaks none."""
    stayed, found = set(common), list[tuple[int, int]]()
    open_at = last = 0
    for seq in before:
        if seq in stayed:
            open_at, last = open_at or seq, seq
        elif open_at:
            found.append((open_at, last))
            open_at = 0
    return (*found, (open_at, last)) if open_at else tuple(found)


async def compare_within(
    copies: StreamCopies, stream: str, ranges: Ranges, known: dict[int, bytes] | None = None
) -> Compared:
    """Messages in ranges, as they are in the stream now or in `known`."""
    digest, count, at = hashlib.sha256(), 0, 0
    if not ranges:
        return Compared((), 0, digest.hexdigest())

    def add(seq: int, each: bytes) -> int:
        nonlocal at
        while at < len(ranges) and ranges[at][1] < seq:
            at += 1
        if at == len(ranges) or seq < ranges[at][0]:
            return 0
        digest.update(seq.to_bytes(8, "big") + each)
        return 1

    if known is not None:
        count = sum(add(seq, known[seq]) for seq in sorted(known))
    else:
        async for seq, each in copies.digests(stream, ranges[0][0], ranges[-1][1]):
            count += add(seq, each)
    return Compared(ranges, count, digest.hexdigest())


__all__ = ["Compared", "StreamWitness", "compare_within", "ranges_of"]
