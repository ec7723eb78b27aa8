"""Answers in pages: the next one is on its way while one is looked at."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

import msgspec
import pytest

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.plain_table import PlainTable
from marketprism_application.contracts.questions import Records, StoreQuestion
from marketprism_client import QueryFailed, UnknownVenue
from marketprism_client._names import Directory
from marketprism_client._paging import pages_ahead
from marketprism_client._session import Session

QUESTION = Records("tick", "rb2505", limit=2, fields=("last",))
WRONG_VENUE = QueryFailed(Code.INVALID_PARAMETER, "venue: expected one of shfe, was 'x'")


class Answering:
    """A read side with rows 0 to `rows` of one symbol; what is asked waits while `gate` is closed. `failures` come
    before the answers, None for one that is answered."""

    def __init__(self, rows: int, *failures: QueryFailed | None) -> None:
        self._rows = rows
        self._failures = deque(failures)
        self.asked: list[tuple[int, int]] = []  # first row, limit
        self.cancelled = 0
        self.says_more = True
        self.gate = asyncio.Event()
        self.gate.set()

    async def ask(self, question: StoreQuestion) -> PlainTable:
        assert isinstance(question, Records)
        first = int(question.after[0]) + 1 if question.after else 0
        self.asked.append((first, question.limit))
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self._failures and (failure := self._failures.popleft()) is not None:
            raise failure
        rows = list(range(first, min(first + question.limit, self._rows)))
        more = first + question.limit < self._rows
        columns: dict[str, list[int] | list[str]] = {"ts_event": rows, "seq": rows, "venue": ["shfe"] * len(rows)}
        return PlainTable(columns, {b"next": b"[%d]" % rows[-1]} if more and self.says_more else None)


class Naming:
    async def by_class(self, error: QueryFailed) -> QueryFailed:
        return UnknownVenue(str(error), ()) if "venue" in str(error) else error


async def rows_of(session: Answering, question: Records = QUESTION) -> list[list[object]]:
    found = pages_ahead(cast("Session", session), cast("Directory", Naming()), question)
    return [page.column("ts_event").to_pylist() async for page in found]


@pytest.mark.parametrize(
    ("rows", "found"), [(1, [[0]]), (2, [[0, 1]]), (5, [[0, 1], [2, 3], [4]]), (4, [[0, 1], [2, 3]])]
)
async def test_pages_come_one_after_the_other(rows: int, found: list[list[int]]) -> None:
    session = Answering(rows)
    assert await rows_of(session) == found
    assert session.asked == [(2 * n, 2) for n in range(len(found))]


async def test_the_next_page_is_asked_for_before_one_is_given_out_and_none_behind_it() -> None:
    session = Answering(20)
    found = pages_ahead(cast("Session", session), cast("Directory", Naming()), QUESTION)
    for number in range(3):
        await anext(found)
        await asyncio.sleep(0)
        assert [first for first, _ in session.asked] == [2 * n for n in range(number + 2)]
    await found.aclose()  # type: ignore[attr-defined]


async def test_who_wants_no_more_leaves_no_question_behind() -> None:
    session = Answering(20)
    before = asyncio.all_tasks()
    found = pages_ahead(cast("Session", session), cast("Directory", Naming()), QUESTION)
    await anext(found)
    session.gate.clear()
    await asyncio.sleep(0)
    await found.aclose()  # type: ignore[attr-defined]
    assert (session.cancelled, asyncio.all_tasks() - before) == (1, set())


async def test_the_newest_rows_are_one_page() -> None:
    session = Answering(20)
    assert await rows_of(session, Records("tick", "rb2505", limit=2, last=True)) == [[0, 1]]
    assert session.asked == [(0, 2)]


async def test_fewer_rows_are_asked_for_where_so_many_do_not_fit_and_stay_so() -> None:
    large = QueryFailed(Code.RESPONSE_TOO_LARGE, "too large")
    session = Answering(9, None, large, large)
    assert await rows_of(session, msgspec.structs.replace(QUESTION, limit=4)) == [[0, 1, 2, 3], [4], [5], [6], [7], [8]]
    assert session.asked[:4] == [(0, 4), (4, 4), (4, 2), (4, 1)]
    with pytest.raises(QueryFailed, match="too large"):
        await rows_of(Answering(9, large), Records("tick", "rb2505", limit=1))


async def test_a_refusal_comes_behind_the_pages_before_it_and_by_its_class() -> None:
    session = Answering(9, None, WRONG_VENUE)
    found = pages_ahead(cast("Session", session), cast("Directory", Naming()), QUESTION)
    assert (await anext(found)).num_rows == 2
    with pytest.raises(UnknownVenue):
        await anext(found)


async def test_of_a_read_side_that_does_not_say_whether_there_is_more_it_is_asked() -> None:
    session = Answering(4)
    session.says_more = False
    assert await rows_of(session, Records("tick", "rb2505", limit=2)) == [[0, 1], [2, 3], []]
    assert await rows_of(session) == [[0, 1]]  # some columns: where it goes on is not in them
