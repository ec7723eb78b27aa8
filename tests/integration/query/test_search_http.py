"""`GET /api/v1/search` and `/products`: what is found, for whom, and what hostile texts do."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.access.entitlements import Entitlement, Entitlements
from marketprism_application.access.principal import LOCAL
from marketprism_application.contracts.kinds import INSTRUMENT
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_services.api.read.openapi import operations
from tests.contract.test_codec import SAMPLES
from tests.integration.query.served_api import OPENED, Served, fill, served

__all__ = ["served"]

MANY = 10_000
HOSTILE = "<img src=x onerror=alert(1)>=cmd|' /C calc'!A0 %_*\"\\"
COLUMNS = ["venue", "symbol", "product", "class_", "name", "english", "stored", "expire_day", "ts_last"]


async def rows(served: Served, path: str) -> list[dict[str, Any]]:
    body, _ = await served.whole(path)
    found: list[dict[str, Any]] = json.loads(body)["data"]
    return found


async def symbols(served: Served, text: str, more: str = "") -> list[str]:
    return [row["symbol"] for row in await rows(served, f"search?text={quote(text)}{more}")]


async def refused(served: Served, path: str) -> str:
    status, _, body = await served.get(path)
    error = json.loads(body.encode("latin-1"))["error"]
    assert (status, error["code"]) == (400, "INVALID_PARAMETER")
    message: str = error["message"]
    return message


async def list_terms(store: MemoryStore, terms: list[Any]) -> None:
    places = [StreamPlace(n, 0) for n in range(len(terms))]
    await store.insert(INSTRUMENT, terms, places, StreamRange("I", "terms", 1, len(terms)), 1)


async def test_a_search_finds_what_is_typed_and_says_whether_there_is_data(served: Served) -> None:
    found = await rows(served, "search?text=luowen%2005")
    assert [list(row) for row in found] == [COLUMNS]
    assert found[0] | {"class_": "", "expire_day": ""} == {
        "venue": "shfe",
        "symbol": "rb2505",
        "product": "rb",
        "class_": "",
        "name": "螺纹钢2505",
        "english": "Steel Rebar",
        "stored": True,
        "expire_day": "",
        "ts_last": OPENED + 29 * 10**9,
    }
    for text in ("rb", "RB", "螺纹", "lwg", "rebar", "ｒｂ", "　螺纹钢 "):  # of what has expired the latest first
        assert await symbols(served, text) == ["rb2510", "rb2505"], text
    assert await symbols(served, "rb", "&limit=1") == ["rb2510"]
    assert await symbols(served, "rb", "&venue=dce") == []
    assert await symbols(served, "rb", "&venue=SHF&class=future") == ["rb2510", "rb2505"]
    # Empty: the newest data first. The bars of rb2510 end after the last tick of rb2505.
    assert await symbols(served, "") == [row["symbol"] for row in await rows(served, "search")] == ["rb2510", "rb2505"]


async def test_the_answer_has_the_forms_that_every_answer_has(served: Served) -> None:
    body, headers = await served.whole("search?text=rb&format=csv&fields=symbol,name")
    assert headers["Content-Type"].startswith("text/csv")
    assert list(csv.reader(io.StringIO(body.decode()))) == [
        ["symbol", "name"],
        ["rb2510", "螺纹钢2510"],
        ["rb2505", "螺纹钢2505"],
    ]
    shown = await rows(served, "search?text=rb2505&times=iso")
    assert shown[0]["ts_last"].startswith("2025-03-03T01:00:29")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("text=" + "x" * 101, "text: expected at most 100 characters, was 101"),
        ("text=rb%0a", r"text: expected no control character, was 'rb\n'"),
        ("text=rb%00", r"text: expected no control character, was 'rb\x00'"),
        ("text=a+b+c+d+e+f+g", "text: expected at most 6 words, was 7"),
        ("text=rb&limit=201", "limit: expected 1 to 200, was '201'"),
        ("text=rb&limit=0", "limit: expected 1 to 200, was '0'"),
        ("text=rb&class=futur", "class: expected one of future, option, combination, spot, swap, was 'futur'"),
        ("text=rb&venue=%20", "venue: expected"),
        ("text=rb&text=cu", "text: expected once, was given 2 times"),
        ("search=rb", "search: expected one of"),
    ],
)
async def test_what_cannot_be_searched_is_refused_by_name(served: Served, query: str, message: str) -> None:
    assert (await refused(served, f"search?{query}")).startswith(message)


async def test_only_what_one_may_see_is_found_however_much_else_there_is(calendar: MarketCalendar) -> None:
    """What may not be seen takes no place of what may: the limit counts what is visible."""
    store = MemoryStore()
    await fill(store)
    terms = SAMPLES["instrument"]._replace(venue="shfe", product="rb", class_="future", ts_event=1, name="")
    await list_terms(
        store, [terms._replace(symbol=f"rb26{n:02}C{strike}") for n in range(1, 13) for strike in range(30)]
    )
    mine = Entitlements((Entitlement(venues=("shfe",), symbols=("*2510", "rb2612C29"), kinds=("tick",)),))
    served = Served(store, ReadRules(calendar, ("1m", "1d")))
    await served.start()
    assert len(await symbols(served, "rb", "&limit=200")) == 200
    served.who = replace(LOCAL, entitlements=mine)
    assert await symbols(served, "rb", "&limit=2") == ["rb2510", "rb2612C29"]
    assert await symbols(served, "") == ["rb2510"]
    assert await symbols(served, "rb2505") == []
    served.who = replace(LOCAL, entitlements=Entitlements(()))
    assert await symbols(served, "rb") == await symbols(served, "") == []
    await served.stop()


async def test_texts_of_a_feed_and_of_a_caller_are_nothing_but_texts(calendar: MarketCalendar) -> None:
    store = MemoryStore()
    terms = SAMPLES["instrument"]._replace(venue="okx", product=HOSTILE, class_="spot", ts_event=1)
    listed = [terms._replace(symbol=f"X{n}-USDT", name=HOSTILE if n == 7 else f"{n}" * 200) for n in range(20)]
    await list_terms(store, [*listed, terms._replace(symbol="<b>-USDT", name="=1+1", underlying=HOSTILE, native="*")])
    served = Served(store, ReadRules(calendar, ("1m", "1d")))
    await served.start()
    found = await rows(served, f"search?text={quote('onerror=alert(1)')}")
    assert {row["product"] for row in found} == {HOSTILE}
    assert [row["name"] for row in await rows(served, f"search?text={quote('<b>')}")] == ["=1+1"]
    assert (await symbols(served, "*"))[0] == "<b>-USDT"
    assert len(await symbols(served, "*", "&limit=200")) == 21  # by the product that all of them have
    for text in ("%", "_", "?", "'; DROP TABLE", "[a-z]", "\\", "X?-USDT", "x%", "(", "🀄", "ﷺ" * 100):
        status, _, _ = await served.get(f"search?text={quote(text)}")
        assert status == 200, text
    await served.stop()


async def test_ten_thousand_instruments_are_searched_whole_and_answered_in_bounds(calendar: MarketCalendar) -> None:
    store = MemoryStore()
    terms = SAMPLES["instrument"]._replace(venue="dce", product="m_o", class_="option", ts_event=1, name="")
    await list_terms(store, [terms._replace(symbol=f"m2605-C-{2000 + n}") for n in range(MANY)])
    served = Served(store, ReadRules(calendar, ("1m", "1d")))
    await served.start()
    assert await symbols(served, "豆粕", "&limit=200") == sorted(f"m2605-C-{2000 + n}" for n in range(MANY))[:200]
    assert await symbols(served, f"doupo {MANY + 1999}") == [f"m2605-C-{MANY + 1999}"]
    assert await symbols(served, "douyou") == []
    await served.stop()


async def test_products_have_their_names_and_the_terms_of_a_new_contract(served: Served) -> None:
    found = {(row["venue"], row["product"]): row for row in await rows(served, "products")}
    rebar = found["shfe", "rb"]
    assert {name: rebar[name] for name in ("name", "short", "english", "pinyin")} == {
        "name": "螺纹钢",
        "short": "螺纹",
        "english": "Steel Rebar",
        "pinyin": "luo wen gang",
    }
    assert (Decimal(rebar["multiplier"]), Decimal(rebar["price_tick"])) == (10, 1)
    assert found["dce", "rr"]["pinyin"] == "jing mi/geng mi"
    assert Decimal(found["cffex", "TS"]["price_tick"]) == Decimal("0.002")
    assert len(found) == 98
    served.who = replace(LOCAL, entitlements=Entitlements((Entitlement(symbols=("cu*",)),)))
    assert len(await rows(served, "products")) == 98  # what everybody can read at the exchanges


async def test_both_requests_are_described(served: Served) -> None:
    described = {operation.path: operation for operation in operations()}
    for name in ("search", "products"):
        operation = described[f"/api/v1/{name}"]
        assert (operation.tag, operation.question) == ("instruments", name.title())
        found = await rows(served, name)
        assert isinstance(operation.data, dict)
        assert set(operation.data["items"]["properties"]) == set(found[0])
