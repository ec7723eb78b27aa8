"""The last record of a stage in a stream where others can write too."""

from __future__ import annotations

import pytest

from marketprism_sdk.errors import StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import StoredMessage
from marketprism_sdk.streams._stage_records import last_record
from tests.simulation.scene import Scene, played

SUBJECT, ASKED = "stage.sums.0.ck", "$JS.API.DIRECT.GET.OUT"


async def connected(scene: Scene, *records: bytes, behind: int = 0) -> NatsConnection:
    connection = await scene.connect()
    await scene.stream("OUT", "stage.>")
    scene.put("stage.other", *[b"x"] * behind)
    scene.put(SUBJECT, *records)
    return connection


async def last(connection: NatsConnection) -> tuple[StoredMessage | None, int]:
    return await last_record(connection, "OUT", SUBJECT, lambda data: data.startswith(b"good"))


@played
async def test_where_there_is_no_message_there_is_no_record(scene: Scene) -> None:
    assert await last(await connected(scene)) == (None, 0)


@pytest.mark.parametrize("passed", [0, 1, 2, 100])
@pytest.mark.parametrize("behind", [0, 3])
@played
async def test_what_is_no_record_is_passed_over(scene: Scene, passed: int, behind: int) -> None:
    connection = await connected(scene, b"good 1", b"good 2", *[b"junk"] * passed, behind=behind)
    found = StoredMessage(SUBJECT, behind + 2, b"good 2")
    assert await last(connection) == (found, behind + 2 + passed)
    assert len(scene.came(ASKED)) == passed


@pytest.mark.parametrize(
    ("records", "asked"), [([b"good", *[b"junk"] * 101], 100), ([b"junk"] * 2, 1), ([b"junk"], 0)], ids=str
)
@played
async def test_where_none_is_a_record_nothing_is_believed(scene: Scene, records: list[bytes], asked: int) -> None:
    connection = await connected(scene, *records)
    with pytest.raises(StreamError, match="expected a record of a stage, was 4 bytes of something else"):
        await last(connection)
    assert len(scene.came(ASKED)) == asked


@played
async def test_a_record_at_the_streams_first_place_is_found_behind_one_that_is_none(scene: Scene) -> None:
    connection = await connected(scene, b"good", b"junk")
    assert await last(connection) == (StoredMessage(SUBJECT, 1, b"good"), 2)
