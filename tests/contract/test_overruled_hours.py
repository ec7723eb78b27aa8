"""A check over every StoreReader knows the hours that the venue overruled, as the log of events has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from marketprism_application.contracts.kinds import BAR, EVENT
from marketprism_application.contracts.questions import Records
from marketprism_application.errors import QueryError
from marketprism_application.queries.answering import answer_question
from marketprism_domain.events.registry import to_record
from marketprism_domain.events.sessions import MarketStatusReceived, TradingHoursOverruled
from marketprism_domain.values import NANOS_PER_MINUTE
from tests.contract.stores import Pair
from tests.contract.test_stored_check import ROWS, SERIES, bars, fill, report
from tests.fakes.ticks import at
from tests.support.bar_series import CALENDAR, codes, without

MINUTE = NANOS_PER_MINUTE
DAY = CALENDAR.schedule("shfe", "cu1905").trading_day_of(int(ROWS.ts[1_000]))
NIGHT, *_, AFTERNOON = CALENDAR.schedule("shfe", "cu1905").sessions(DAY)
LATE = NIGHT.ts_open + 90 * MINUTE
LOST = np.flatnonzero((ROWS.ts >= NIGHT.ts_open) & (ROWS.ts < LATE))


def event(what: Any, n: int, ts: int = 0) -> Any:
    return to_record(what, event_id=f"e{n}", source="gateway", ts_event=ts or NIGHT.ts_open + n, seq=n)


def overruled(ts_open: int, ts_close: int, n: int, *, product: str = "cu", venue: str = "shfe", ts: int = 0) -> Any:
    return event(TradingHoursOverruled(venue, product, DAY, ts_open, ts_close, NIGHT.ts_open, NIGHT.ts_close), n, ts)


@pytest.mark.parametrize("parts", [300, 10**6])
async def test_a_section_that_opened_late_lacks_nothing(pair: Pair, parts: int) -> None:
    await fill(pair, BAR, bars(without(ROWS, LOST)))
    table = await report(pair, dense=True, parts=parts)
    assert (len(LOST), table.missing) == (90, 90)
    others = [
        overruled(LATE, NIGHT.ts_close, 1, product="rb"),
        overruled(LATE, NIGHT.ts_close, 2, venue="ine"),
        event(MarketStatusReceived("shfe", "cu", "continuous"), 3),
    ]
    await fill(pair, EVENT, others, 5_000)
    assert (await report(pair, dense=True, parts=parts)).missing == 90
    # A replay tells it long afterwards.
    told = overruled(LATE, NIGHT.ts_close, 4, product="CU", ts=int(ROWS.ts[-1]) + 90 * 86_400 * 10**9)
    await fill(pair, EVENT, [told], 6_000)
    known = await report(pair, dense=True, parts=parts)
    assert (known.missing, known.expected, codes(known)) == (0, table.expected - 90, {})


async def test_a_section_that_went_on_is_expected_up_to_its_last_end(pair: Pair) -> None:
    longer = bars(ROWS)
    last = next(row for row in longer if row.ts_open == AFTERNOON.ts_close - MINUTE)
    # Ten minutes more, of which the fifth is missing.
    more = [
        last._replace(ts_open=last.ts_open + n * MINUTE, ts_close=last.ts_close + n * MINUTE, seq=90_000 + n)
        for n in range(1, 11)
        if n != 5
    ]
    await fill(pair, BAR, [*longer, *more])
    assert codes(await report(pair, dense=True))["unexpected_bar"] == 9
    guess = overruled(AFTERNOON.ts_open, AFTERNOON.ts_close + 300 * MINUTE, 1)
    await fill(pair, EVENT, [guess, overruled(AFTERNOON.ts_open, AFTERNOON.ts_close + 10 * MINUTE, 2)], 90_000)
    assert codes(await report(pair, dense=True)) == {"missing_bar": 1}


async def test_events_of_no_instrument_are_asked_for_by_their_venue(pair: Pair) -> None:
    await fill(pair, EVENT, [overruled(LATE, NIGHT.ts_close, 1)])
    found = await answer_question(pair.reader, Records(EVENT.name, "", "shfe"))
    assert found.column("name").to_pylist() == ["TradingHoursOverruled"]
    assert (await answer_question(pair.reader, Records(EVENT.name, "", "ine"))).num_rows == 0
    with pytest.raises(QueryError, match="symbol"):
        await answer_question(pair.reader, Records(SERIES.kind, "", "shfe", interval="1m"))


def test_the_day_is_one_of_the_series() -> None:
    assert at("2019-03-04 09:00:00") <= NIGHT.ts_open < AFTERNOON.ts_close <= int(ROWS.ts[-1]) + MINUTE
