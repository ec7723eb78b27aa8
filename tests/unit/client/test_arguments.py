"""What a caller gives that is wrong is refused by the name that the caller gave it, before anybody is asked."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from marketprism_client import MarketClient, QueryFailed
from marketprism_client._answer import Answer, as_row
from marketprism_client._names import names_of
from marketprism_client._session import Session
from marketprism_sdk.errors import NotConnected

URL = "nats://127.0.0.1:9"


@pytest.mark.parametrize("symbol", [None, 1901, 5.0])
def test_a_symbol_that_is_no_text_is_refused_by_name(symbol: Any) -> None:
    with pytest.raises(QueryFailed, match=f"symbol: expected text or several texts, was .*{symbol}"):
        names_of(symbol)


def test_an_end_before_the_start_names_both_as_they_were_given() -> None:
    session = Session(URL, 1.0, "", "UTC")
    with pytest.raises(QueryFailed, match=r"^end: expected at or after start \(2018-10-10\), was 2018-10-09$"):
        session.span("2018-10-10", "2018-10-09")
    day = 86_400 * 10**9
    assert session.span("1970-01-02", "1970-01-02") == (day, day)
    assert session.span(None, "1970-01-02") == (None, day)


@pytest.mark.parametrize("last", [0, -5, 20_001, 3.5, "5", True])
async def test_the_newest_are_a_number_of_rows(last: Any) -> None:
    with pytest.raises(QueryFailed, match=f"^last: expected a number of rows from 1 to 20000, was {last!r}$"):
        await MarketClient(URL).bars("ru1901", "1m", last=last)


async def test_the_url_of_something_else_is_refused_as_such() -> None:
    expected = r"^url: expected nats://host:port, tls://host:port or https://host, was ftp://…$"
    with pytest.raises(QueryFailed, match=expected):
        async with MarketClient("ftp://user:secret@127.0.0.1:8080"):
            pass
    with pytest.raises(QueryFailed, match=r"^url: expected no user in it, give a key of the API gateway$"):
        async with MarketClient("https://user:secret@127.0.0.1:8080"):
            pass
    with pytest.raises(QueryFailed, match=r"^url: expected nats://host:port for a replay, was an API gateway$"):
        async with MarketClient("https://127.0.0.1:8080", prefix="again"):
            pass
    with pytest.raises(NotConnected, match="expected an API gateway"):
        async with MarketClient("http://127.0.0.1:1"):
            pass


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_one_row_is_a_row(count: int, text: str) -> None:
    answer = Answer(
        pa.Table.from_pylist([{"a": 1}] * count, pa.schema([("a", pa.int64())])), as_row, time_field=None, tz="UTC"
    )
    assert repr(answer) == f"<Answer: {text}, 1 columns: a>"
    assert f"<p>{text}; times in" in answer._repr_html_()
