"""Messages that replicas are asked for: a batch counts as far as nothing is missing in it."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping, Sequence
from typing import Any, cast

import pytest

from marketprism_sdk.nats._direct_reading import reading_directly, whole
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import Held


def held(seq: int, more: int) -> Held:
    return Held("s.x", seq, b"", 0, more)


@pytest.mark.parametrize(
    ("batch", "kept"),
    [
        ([], 0),
        ([(5, 9)], 1),
        ([(5, 2), (7, 1), (9, 0)], 3),
        ([(5, 3), (9, 1), (11, 0)], 1),  # the one behind the first did not come
        ([(5, 2), (7, 1), (7, 0)], 2),
        ([(5, 1), (7, 1)], 1),
    ],
)
def test_a_batch_ends_before_a_hole(batch: list[tuple[int, int]], kept: int) -> None:
    messages = [held(*each) for each in batch]
    assert whole(messages) == messages[:kept]


class Broken:
    """A reader with a defect."""

    next_seq = 1

    def room(self) -> int:
        raise ValueError("no room")

    def add(self, batch: Sequence[Held]) -> None:
        raise AssertionError(batch)


async def test_a_defect_ends_it_and_is_logged(logs: list[MutableMapping[str, Any]]) -> None:
    nobody = cast("NatsConnection", None)  # is not asked
    async with reading_directly(nobody, "S", "s.x", Broken()):
        await asyncio.sleep(0.4)
    assert [(each["event"], str(each["exc_info"])) for each in logs] == [("reader.direct_ended", "no room")]
