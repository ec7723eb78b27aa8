"""A stream that ends before a checkpoint: looked at again, but not once more for every partition."""

from __future__ import annotations

from collections.abc import Sequence

from marketprism_sdk.streams import InputState, Output, OwnedPartition, SettledInput


class Nothing:
    def process(self, seq: int, payload: bytes) -> Sequence[Output]:
        return ()

    def snapshot(self) -> bytes:
        return b""

    def restore(self, data: bytes) -> None: ...

    def stats(self) -> dict[str, object]:
        return {}


class Stream:
    """Ends where it is told, looked at a second later each time."""

    def __init__(self, *ends: int, created: str = "a") -> None:
        self.ends = list(ends)
        self.created = created
        self.looks = 0
        self.now = 0.0

    async def look(self) -> InputState:
        self.looks += 1
        return InputState(self.created, 1, self.ends.pop(0) if len(self.ends) > 1 else self.ends[0])

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def settled(self) -> SettledInput:
        return SettledInput(self.look, self.sleep, lambda: self.now)


def part(number: int, done: int, created: str = "a") -> OwnedPartition:
    of = OwnedPartition(number, 1, Nothing())
    of.done_seq, of.created = done, created
    return of


async def test_a_leader_that_is_catching_up_is_waited_for() -> None:
    stream = Stream(5, 7, 12)
    assert (await stream.settled().state(part(0, 10))).last == 12
    assert stream.now == 2.0


async def test_a_checkpoint_that_does_not_say_which_stream_it_is_of_is_waited_for_too() -> None:
    stream = Stream(5, 12)
    assert (await stream.settled().state(part(0, 10, ""))).last == 12
    assert stream.now == 1.0


async def test_the_end_is_believed_for_a_minute() -> None:
    stream = Stream(5)
    settled = stream.settled()
    for now, waited in ((0.0, 4.0), (63.5, 0.0), (64.5, 4.0)):
        stream.now = now
        await settled.state(part(0, 10))
        assert stream.now == now + waited


async def test_the_end_is_believed_once_for_all_partitions() -> None:
    stream = Stream(5)
    settled = stream.settled()
    for number in range(32):
        assert (await settled.state(part(number, 10 + number))).last == 5
    assert stream.now == 4.0
    assert stream.looks == 5 + 31


async def test_another_stream_and_a_later_hour_are_looked_at_anew() -> None:
    stream = Stream(5)
    settled = stream.settled()
    await settled.state(part(0, 10))
    stream.created = "b"
    await settled.state(part(1, 10, "b"))
    assert stream.now == 8.0
    stream.now = 3_600.0
    await settled.state(part(2, 10, "b"))
    assert stream.now == 3_604.0


async def test_a_stream_that_was_made_anew_and_one_that_goes_on_are_not_waited_for() -> None:
    stream = Stream(5)
    settled = stream.settled()
    assert (await settled.state(part(0, 10, "before"))).created == "a"
    assert (await settled.state(part(1, 5))).last == 5
    assert (stream.now, stream.looks) == (0.0, 2)
