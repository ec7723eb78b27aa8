"""Answers that are whole or say what is missing, and requests that hold what there is: names, times, days, columns."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.access.entitlements import Entitlement, Entitlements
from marketprism_application.access.principal import LOCAL
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_services.api.read.openapi import operations
from marketprism_services.settings.api import ApiSettings
from tests.integration.query.served_api import MINUTE, OPENED, Served, fill, served

__all__ = ["served"]


async def rest(served: Served, path: str) -> list[dict[str, Any]]:
    """Every row of an answer, page after page as its `Link` says."""
    found: list[dict[str, Any]] = []
    while True:
        body, headers = await served.whole(path)
        shown = json.loads(body)
        found += shown["data"]
        link = re.fullmatch(r'<(.+)>; rel="next"', headers.get("Link", ""))
        assert (link is None) == ("next" not in shown)
        if link is None:
            assert "truncated" not in shown
            return found
        assert shown["next"] == headers["X-Next-After"]
        path = link[1].removeprefix("/api/v1/")


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("bars/rb2505?interval=1m", 10),
        ("bars/rb2505,rb2510?interval=1m", 20),
        ("bars/rb*?interval=1m&tz=UTC", 20),
        ("bars/rb2505?interval=2m", 5),
        ("ticks/RB2505", 30),
        ("instruments?search=rb", 2),
        ("continuous/rb?interval=1m", 10),
    ],
)
async def test_following_the_link_gives_every_row(served: Served, path: str, count: int) -> None:
    assert len(await rest(served, path)) == count, "the default is as much as an answer can have"
    assert len(await rest(served, f"{path}{'&' if '?' in path else '?'}limit=1")) == count


@pytest.mark.parametrize("form", ["json", "csv", "arrow", "parquet", "msgpack"])
async def test_an_answer_says_in_every_form_that_there_is_more(served: Served, form: str) -> None:
    for path in ("bars/rb2505?interval=1m", "ticks/rb2505?x", "instruments?search=rb"):
        url = f"{path.removesuffix('x')}&limit=1&format={form}"
        _, headers = await served.whole(url)
        assert headers["X-Truncated"] == "true"
        assert headers["X-Next-After"]
        assert f"format={form}" in headers["Link"]
        assert "after=" in headers["Link"]
        _, headers = await served.whole(f"{path.removesuffix('x')}&limit=50&format={form}")
        assert not {"Link", "X-Next-After", "X-Truncated"} & set(headers)
    _, headers = await served.whole(f"bars/rb2505?interval=1m&last=2&format={form}")
    assert headers["X-Truncated"] == "true", "older ones"
    assert "Link" not in headers


@pytest.mark.parametrize(
    "path", ["bars/rb2505?interval=1m&limit=3", "ticks/rb2505?limit=50", "symbols?", "daily/rb2505?"]
)
async def test_an_arrow_stream_that_is_handed_on_holds_what_would_be_written(served: Served, path: str) -> None:
    url = f"{path}&format=arrow"
    handed_on, headers = await served.whole(url)
    served.who = replace(LOCAL, entitlements=Entitlements((Entitlement(venues=("shfe", "*")),)))
    written, same = await served.whole(url)
    table = pa.ipc.open_stream(handed_on).read_all()
    assert table.schema.metadata is None
    assert table.equals(pa.ipc.open_stream(written).read_all(), check_metadata=True)
    said = ("Content-Type", "Link", "X-Next-After", "X-Truncated", "Cache-Control")
    assert {name: headers.get(name) for name in said} == {name: same.get(name) for name in said}


async def test_a_stream_that_holds_more_than_it_may_is_not_finished(calendar: MarketCalendar) -> None:
    store = MemoryStore()
    await fill(store)
    short = Served(store, ReadRules(calendar, ("1m", "1d")), ApiSettings(stream_rows=25))
    await short.start()
    status, _, body = await short.get("ticks/rb2505/stream")
    assert (status, json.loads(body)["error"]["message"]) == (
        400,
        "limit: expected one, or a shorter range: there are more than 25 rows, as many as a stream may have",
    )
    rows, _ = await short.whole("ticks/rb2505/stream?limit=25")
    assert len(rows.splitlines()) == 25
    await short.stop()


def requests() -> list[str]:
    """One right request of each path that is served."""
    names = {"{symbols}": "rb2505", "{symbol}": "rb2505", "{kind}": "ticks"}
    found = []
    for operation in operations():
        path = operation.path.removeprefix("/api/v1/")
        for name, value in names.items():
            path = path.replace(name, value)
        if path.startswith(("dominant", "continuous")):
            path = path.replace("rb2505", "rb")
        needs = path.startswith(("bars/", "klines/", "continuous")) and not path.endswith("latest")
        if "{venue}" not in path and not path.endswith(("latest", "openapi.json")):  # those are the service's own
            found.append(f"{path}?interval=1m" if needs else path)
    return found


@pytest.mark.parametrize("path", requests())
async def test_a_parameter_that_a_request_does_not_have_is_refused(served: Served, path: str) -> None:
    sign = "&" if "?" in path else "?"
    for wrong, near in (("formatt=csv", "; did you mean 'format'"), ("x=1", ""), ("symbol=rb2505", ""), ("Tz=UTC", "")):
        status, _, body = await served.get(f"{path}{sign}{wrong}")
        error = json.loads(body)["error"]
        assert (status, error["code"]) == (400, "INVALID_PARAMETER")
        name = wrong.partition("=")[0]
        assert error["message"].startswith(f"{name}: expected one of tz, times, fields")
        assert error["message"].endswith(f"in this request, was {name!r}{near}") or not near
    status, _, body = await served.get(f"{path}{sign}tz=UTC&tz=UTC")
    assert (status, json.loads(body)["error"]["message"]) == (400, "tz: expected once, was given 2 times")


async def test_times_are_taken_as_people_write_them_and_given_as_they_want_them(served: Served) -> None:
    ways = (
        ("2025-03-03T09:03", ""),
        ("2025-03-03T01:03:00Z", ""),
        ("2025-03-03T09:03:00%2B08:00", ""),
        ("2025-03-03T09:03:00+08:00", ""),  # a plus that was not escaped
        ("2025-03-03T01:03", "&tz=UTC&times=ns"),
        ("2025-03-02T20:03", "&tz=America/New_York&times=ns"),
        ("1740963780", ""),
        ("1740963780000", ""),
        ("1740963780000000", ""),
        ("1740963780000000000", ""),
    )
    for text, more in ways:
        _, _, body = await served.get(f"bars/rb2505?interval=1m&from={text}{more}")
        assert json.loads(body)["data"][0]["ts_open"] == OPENED + 3 * MINUTE, text
    shown = {
        "times=iso": "2025-03-03T01:00:00.000000000Z",
        "tz=Asia/Shanghai": "2025-03-03T09:00:00.000000000+08:00",
        "tz=%2B08:00": "2025-03-03T09:00:00.000000000+08:00",
    }
    for asked, text in shown.items():
        _, _, body = await served.get(f"bars/rb2505?interval=1m&limit=1&{asked}")
        assert json.loads(body)["data"][0]["ts_open"] == text
    _, _, body = await served.get("bars/rb2505?interval=1m&limit=1&tz=UTC&format=csv")
    assert "2025-03-03T01:00:00.000000000Z" in body
    found, _ = await served.whole("bars/rb2505?interval=1m&limit=1&tz=Asia/Shanghai&format=arrow")
    assert pa.ipc.open_stream(found).read_all().schema.field("ts_open").type == pa.timestamp("ns", "Asia/Shanghai")
    wrong = {
        "bars/rb2505?interval=1m&from=202503030900": "from: expected a date or time like",
        "bars/rb2505?interval=1m&from=1960-01-01": "from: expected a time from 1970 to 2262, was '1960-01-01'",
        "bars/rb2505?interval=1m&tz=Mars": "tz: expected a time zone like UTC, Asia/Shanghai or +08:00, was 'Mars'",
        "ticks/rb2505?from=2025-03-03T10:00&to=2025-03-03T09:00": "to: expected after from (2025-03-03T10:00), was 2025",
        "ticks/rb2505?from=2025-03-03&to=2025-03-03": "a day alone is its first instant, a whole one is trading_day",
        "orderbook/rb2505?at=12": "at: expected a date or time like",
    }
    for path, text in wrong.items():
        status, _, body = await served.get(path)
        assert status == 400
        assert text in json.loads(body)["error"]["message"], path


async def test_days_columns_and_levels_are_chosen(served: Served) -> None:
    async def rows(path: str) -> list[dict[str, Any]]:
        status, _, body = await served.get(path)
        assert status == 200, body
        found: list[dict[str, Any]] = json.loads(body)["data"]
        return found

    assert len(await rows("bars/rb2505?interval=1d&trading_day=2025-03-03")) == 1
    assert await rows("bars/rb2505?interval=1d&trading_day=20250304") == []
    assert len(await rows("ticks/rb2505?from_day=2025-03-03&to_day=2025-03-05")) == 30
    assert await rows("bars/rb2505?interval=1m&fields=close,ts_open&limit=1") == [{"close": "1.5", "ts_open": OPENED}]
    assert [row["seq"] for row in await rows("bars/rb2505?interval=1m&last=2")] == [8, 9]
    (flat,) = await rows("ticks/rb2505?levels=flat&limit=1")
    assert (flat["bid_price_1"], flat["ask_volume_1"], flat["ask_price_5"]) == ("2999", "1", None)
    assert "bids" not in flat
    assert await rows("ticks/rb2505?levels=1&fields=bid_price_1,ask_price_1&limit=1") == [
        {"bid_price_1": "2999", "ask_price_1": "3001"}
    ]
    _, _, body = await served.get("ticks/rb2505/stream?levels=1&fields=seq,bid_price_1&limit=1&format=csv")
    assert body.splitlines() == ["seq,bid_price_1", "1,2999"]
    for path, text in {
        "bars/rb2505?interval=1m&fields=clsoe": "was 'clsoe'; did you mean 'close'",
        "bars/rb2505?interval=1m&levels=flat": "levels: expected one of",
        "ticks/rb2505?levels=0": "levels: expected nested, flat or 1 to",
        "bars/rb2505?interval=1d&trading_day=2025-13-01": "trading_day: expected a trading day like 2018-10-09",
        "bars/rb2505?interval=1d&trading_day=20250303&from_day=20250303": "trading_day: expected without from_day",
        "bars/rb2505?interval=1m&last=maybe": "last: expected true, false or a number of rows",
        "bars/rb2505?interval=1m&last=3&limit=2": "last: expected true beside limit, was '3'",
        "bars/rb2505?interval=48h": "interval: expected a number and one of s m h d w",
        f"bars/rb2505?interval={'9' * 5_000}m": "interval: expected a number and one of s m h d w",
        "bars/rb2505?interval=1m&venue=okex": "venue: expected one where rb2505 is stored (shfe), was 'okex'",
        "ticks/rb2550": "was 'rb2550'; the nearest: rb25",
    }.items():
        _, _, body = await served.get(path)
        assert text in json.loads(body)["error"]["message"], path


async def test_a_number_leaves_without_the_zeros_of_its_column(served: Served) -> None:
    for path in ("ticks/rb2505", "bars/rb2505?interval=1m", "orderbook/rb2505", "daily/rb2505", "statistics/rb2505"):
        for form in ("json", "csv", "msgpack"):
            _, _, body = await served.get(f"{path}{'&' if '?' in path else '?'}format={form}")
            assert ".500000" not in body
            assert ".000000" not in body
