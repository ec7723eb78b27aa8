"""The input stream of a stage: whether it is the one that a checkpoint speaks of, and still holds what comes next."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol, runtime_checkable

from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import leader_info
from marketprism_sdk.observability.logger import get_logger
from marketprism_sdk.streams._stage_types import OwnedPartition

log = get_logger(__name__)


_SURE = 4  # looks, a second apart, before a stream that ends too early is believed: its leader may be catching up
_BELIEVED_S = 60.0


class InputRefused(SdkError):
    """A partition cannot go on by itself: its input is not what its checkpoint says."""


class InputState(NamedTuple):
    """A stream as it is now; `created` is its identity."""

    created: str
    first: int
    last: int


class InputCut(NamedTuple):
    """What a stage finds other than it left it.

    `wanted` is the message it would have read next, `first` the one it reads. `processed` of those between had been
    processed by a run whose state is gone: their outputs are there. `log` is empty while the stream is the same one
    and goes on; else the stream is read from its beginning, and `log` tells its sequences from those before. A
    partition need not have lost anything: sequences are of the stream as a whole.
    """

    wanted: int
    first: int
    processed: int = 0
    log: str = ""
    reason: str = ""


@runtime_checkable
class ReadsOn(Protocol):
    """A processor that can go on behind a cut.

    It knows messages that come a second time, and sees by their content whether any are missing.
    """

    def truncated(self, cut: InputCut) -> None:
        """What was expected is not there any more; called before the first message behind it."""
        ...


async def input_state(connection: NatsConnection, stream: str) -> InputState:
    """The stream now.

    Raises:
        StreamError: there is no such stream. DeadlineExceeded, NotConnected: no answer.
    """
    info = await leader_info(connection, stream)
    state = info["state"]
    return InputState(str(info["created"]), max(1, int(state["first_seq"])), int(state["last_seq"]))


class SettledInput:
    """The input stream, looked at until its end can be believed.

    Whoever has waited for one partition has waited for all of them: a stream that lost its end did so for each.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[InputState]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._sleep = sleep
        self._now_s = now_s
        self._believed = ""
        self._until_s = 0.0

    async def state(self, part: OwnedPartition) -> InputState:
        """The stream now; where it ends before the partition's checkpoint it is looked at again. Raises as
        `input_state`."""
        state = await self._look()
        for _ in range(_SURE):
            if part.created not in ("", state.created) or max(part.snap_in_seq, part.done_seq) <= state.last:
                return state
            if state.created == self._believed and self._now_s() < self._until_s:
                return state
            await self._sleep(1.0)
            state = await self._look()
        self._believed, self._until_s = state.created, self._now_s() + _BELIEVED_S
        return state


def cut_of(part: OwnedPartition, state: InputState) -> InputCut | None:
    """How the stream differs from what the partition's checkpoint and snapshot say; None when it goes on."""
    done = max(part.snap_in_seq, part.done_seq)
    behind = done - part.snap_in_seq
    if part.created and part.created != state.created:
        return InputCut(done + 1, state.first, behind, _log(state, done), "the stream was made anew")
    if done > state.last:
        # A checkpoint that was written by nobody, or a stream that lost its end with the power of its server.
        reason = f"the checkpoint is at {done}, the stream ends at {state.last}"
        return InputCut(done + 1, state.first, behind, _log(state, done), reason)
    if state.first > part.snap_in_seq + 1:
        processed = max(0, min(state.first - 1, part.done_seq) - part.snap_in_seq)
        return InputCut(part.snap_in_seq + 1, state.first, processed)
    return None


def _log(state: InputState, done: int) -> str:
    return f"{zlib.crc32(f'{state.created} {done}'.encode()):08x}"


def read_on(part: OwnedPartition, cut: InputCut, stream: str) -> None:
    """Set the partition behind the cut, and tell its processor.

    Raises:
        InputRefused: the processor would take what comes again for something new.
    """
    knows = isinstance(part.processor, ReadsOn)
    if cut.log and not knows:
        raise InputRefused(
            f"partition {part.number}: expected stream {stream} to go on at {cut.wanted}, {cut.reason}; "
            "reading it again would do its work twice"
        )
    fields = cut._asdict()
    if fields.pop("log"):
        log.error("input.replaced", stream=stream, partition=part.number, **fields)
    else:
        log.info("input.truncated", stream=stream, partition=part.number, **fields)
    if cut.log:
        part.done_seq, part.since, part.taken = 0, cut.first - 1, 0
    part.partial = 0 if cut.log or cut.first > part.done_seq + 1 else part.partial
    part.in_seq = cut.first - 1
    if knows:
        part.processor.truncated(cut)  # type: ignore[attr-defined]
