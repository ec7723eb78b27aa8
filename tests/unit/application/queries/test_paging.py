"""Pages whose bytes are more than a message may have."""

from __future__ import annotations

import pyarrow as pa
import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_adapters.remote.reader import RemoteReader
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.questions import Records, decode_answer, encode_answer, next_of
from marketprism_application.errors import AnswerTooLargeError
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.answering import answer, answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.queries.paging import pages
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import at, book, tick

OPENED = at("2025-03-03 09:00:00")
COUNT = 500


async def filled() -> MemoryStore:
    store = MemoryStore()
    ticks = [tick(OPENED + n * 10**8, f"{3000 + n}.5", n + 1, **book(2999, 3001)) for n in range(COUNT)]
    ticks = [each._replace(seq=n + 1, trading_day="20250303") for n, each in enumerate(ticks)]
    covered = StreamRange(TICK.stream, "x", 1, COUNT)
    await store.insert(TICK, ticks, [StreamPlace(n, 0) for n in range(COUNT)], covered, 1)
    return store


def over(store: MemoryStore, most_rows: int) -> RemoteReader:
    """A reader behind a wire that carries so many rows of ticks."""

    async def call(data: bytes) -> bytes:
        found = await answer(store, data)
        if decode_answer(found).num_rows > most_rows:
            raise AnswerTooLargeError("limit: expected fewer rows")
        return found

    return RemoteReader(call)


async def test_a_page_that_is_too_large_is_a_shorter_one_that_says_how_to_go_on(calendar: MarketCalendar) -> None:
    reader, rules = over(await filled(), 130), ReadRules(calendar, ("1m",))
    question, seqs = Records("tick", "rb2505", limit=20_000), []
    while True:
        found = await answer_question(reader, question, rules)
        assert found.num_rows <= 130
        seqs += found.column("seq").to_pylist()
        key = next_of(found)
        if key is None:
            break
        question = Records("tick", "rb2505", limit=20_000, after=key)
    assert seqs == list(range(1, COUNT + 1))


async def test_every_page_comes_however_little_one_may_hold(calendar: MarketCalendar) -> None:
    reader = over(await filled(), 130)
    found = [table async for table in pages(reader, Records("tick", "rb2505", limit=400))]
    assert [seq for table in found for seq in table.column("seq").to_pylist()] == list(range(1, COUNT + 1))
    day = Records("bar", "rb2505", None, OPENED, OPENED + 60 * 10**9, "tick:10")
    made = await answer_question(reader, day, ReadRules(calendar, ("1m",)))
    assert made.num_rows == COUNT // 10


async def test_the_newest_are_not_fewer_in_silence(calendar: MarketCalendar) -> None:
    reader, rules = over(await filled(), 130), ReadRules(calendar, ("1m",))
    with pytest.raises(AnswerTooLargeError, match="limit: expected fewer rows") as caught:
        await answer_question(reader, Records("tick", "rb2505", limit=200, last=True), rules)
    assert caught.value.code == "RESPONSE_TOO_LARGE"
    newest = await answer_question(reader, Records("tick", "rb2505", limit=100, last=True), rules)
    assert newest.column("seq").to_pylist() == list(range(COUNT - 99, COUNT + 1))


async def test_a_large_answer_travels_small_and_is_the_same() -> None:
    table = pa.concat_tables([await (await filled()).answer(Records("tick", "rb2505", limit=COUNT))] * 4)
    packed = encode_answer(table)
    assert len(packed) < table.nbytes / 3
    assert decode_answer(packed).equals(table.combine_chunks())
