"""What the venue's text said comes back, digit for digit, on every engine and by both ways in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import count

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.questions import Records
from marketprism_application.ports.storage import EncodedRows, StreamPlace, StreamRange
from tests.contract.stores import NATIVE, SERVER, Pair, empty_pair
from tests.contract.test_market_store import TICKS

_numbers = count(10_000, 1_000)


@pytest.fixture(params=["chdb", "as they came", SERVER, NATIVE])
async def engine_pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    engine, store = await empty_pair(request, request.param)
    if request.param == "as they came":
        store = SqlStore(engine, columns=False)
    yield Pair(store, SqlReader(engine))
    await store.close()


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A number of up to 18 significant digits as a venue may write it."""
    digits = draw(st.text("0123456789", min_size=1, max_size=18))
    point = draw(st.integers(0, len(digits)))
    whole, fraction = digits[:point] or "0", digits[point:]
    return draw(st.sampled_from(("", "-"))) + whole + (f".{fraction}" if fraction else "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(values=st.lists(texts(), min_size=1, max_size=40), encoded=st.booleans())
async def test_every_text_of_up_to_18_digits_comes_back(engine_pair: Pair, values: list[str], encoded: bool) -> None:
    first = next(_numbers)
    rows = [
        TICKS[0]._replace(symbol=f"s{first}", seq=n, last=Decimal(value), turnover=Decimal(value))
        for n, value in enumerate(values)
    ]
    places = [StreamPlace(first + n, 0) for n in range(len(rows))]
    covered = StreamRange("S", "2025", first, first + len(rows) - 1)
    if encoded:
        raw = [msgspec.msgpack.encode(row) for row in rows]
        await engine_pair.store.insert_encoded(TICK, [EncodedRows(first, raw)], covered, 1)
    else:
        await engine_pair.store.insert(TICK, rows, places, covered, 1)
    found = await engine_pair.reader.answer(Records("tick", f"s{first}", limit=100))
    assert found.column("last").to_pylist() == [Decimal(value) for value in values]
    assert found.column("turnover").to_pylist() == [Decimal(value) for value in values]
