"""The list of the instruments that every adapter gives, and a search over it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marketprism_application.contracts.kinds import BAR, INSTRUMENT, TICK
from marketprism_application.contracts.questions import Listing, Search, Visible
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.arrow_tables import FOUND, LISTING
from marketprism_domain.values import NANOS_PER_MINUTE
from tests.contract.stores import Pair, put, read
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at, tick

D = Decimal
OPEN = at("2025-03-03 09:00:00")
TERMS = {"product", "class_", "underlying", "option_type", "expire_day", "name", "native", "quote"}
HOSTILE = "x' OR 1=1 --%_*<b>\"\\"


def bar(symbol: str, interval: str, ts_close: int, interest: Decimal | None, revision: int = 0) -> Any:
    opened = ts_close - NANOS_PER_MINUTE
    return SAMPLES["bar"]._replace(
        venue="shfe",
        symbol=symbol,
        interval=interval,
        ts_open=opened,
        ts_close=ts_close,
        ts_event=ts_close,
        open_interest=interest,
        revision=revision,
    )


def terms(venue: str, symbol: str, ts: int, product: str, class_: str, **more: Any) -> Any:
    plain = dict.fromkeys(TERMS, "") | {"product": product, "class_": class_} | more
    return SAMPLES["instrument"]._replace(venue=venue, symbol=symbol, ts_event=ts, seq=ts, **plain)


RB = terms("shfe", "rb2510", 9, "rb", "future", name="rb2510", expire_day="20251015")
OPTION = terms("shfe", "rb2510C3300", 9, "rb_o", "option", underlying="rb2510", option_type="call")
PERP = terms("okx", "BTC-USDT-PERP", 9, "BTC-USDT", "swap", native="BTC-USDT-SWAP", quote="USDT", name=HOSTILE)


async def fill(pair: Pair) -> None:
    """Terms with and without data, ticks without bars, bars without ticks, and an instrument without terms."""
    await put(pair.store, INSTRUMENT, [RB, RB._replace(ts_event=1, seq=1, name="old"), OPTION, PERP], 1)
    await put(pair.store, TICK, [tick(OPEN + n, 3300, n, seq=n, symbol="rb2510") for n in (1, 2)], 100)
    bars = [
        bar("rb2510", "1d", OPEN, D("7.5")),
        bar("rb2510", "1d", OPEN + NANOS_PER_MINUTE, D(8)),
        bar("rb2510", "1d", OPEN + NANOS_PER_MINUTE, D(9), revision=1),
        bar("rb2510", "1m", OPEN + 9 * NANOS_PER_MINUTE, D(99)),
        bar("cu2510", "1d", OPEN, D(5)),
        bar("cu2510", "1d", OPEN + 5 * NANOS_PER_MINUTE, None),
    ]
    await put(pair.store, BAR, bars, 200)


async def test_each_known_instrument_is_listed_with_its_newest_words_and_data(pair: Pair) -> None:
    assert (await read(pair, Listing())).equals(LISTING.empty_table())
    await fill(pair)
    found = await read(pair, Listing())
    assert found.schema.equals(LISTING)
    rows = {(row["venue"], row["symbol"]): row for row in found.to_pylist()}
    assert list(rows) == [
        ("okx", "BTC-USDT-PERP"),
        ("shfe", "cu2510"),
        ("shfe", "rb2510"),
        ("shfe", "rb2510C3300"),
    ]
    for each in (RB, OPTION, PERP):
        row = rows[each.venue, each.symbol]
        assert {name: row[name] for name in TERMS} == {name: getattr(each, name) for name in TERMS}
    copper, rebar, option = (rows["shfe", symbol] for symbol in ("cu2510", "rb2510", "rb2510C3300"))
    assert {copper[name] for name in TERMS} == {""}
    # The newest tick, whatever bars end later; without ticks the end of the newest bar; and nothing without data.
    assert (rebar["stored"], rebar["ts_last"], rebar["open_interest"]) == (True, OPEN + 2, D(9))
    assert (copper["stored"], copper["ts_last"], copper["open_interest"]) == (True, OPEN + 5 * NANOS_PER_MINUTE, None)
    assert (option["stored"], option["ts_last"], option["open_interest"]) == (False, None, None)


async def test_a_search_is_answered_over_every_store(pair: Pair) -> None:
    await fill(pair)

    async def found(text: str, **more: Any) -> list[dict[str, Any]]:
        table = await answer_question(pair.reader, Search(text, **more))
        assert table.schema.equals(FOUND)
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    assert (await found("luowen"))[0] == {
        "venue": "shfe",
        "symbol": "rb2510",
        "product": "rb",
        "class_": "future",
        "name": "螺纹钢2510",
        "english": "Steel Rebar",
        "stored": True,
        "expire_day": "20251015",
        "ts_last": OPEN + 2,
    }
    assert [row["symbol"] for row in await found("沪铜")] == ["cu2510"]
    assert [row["symbol"] for row in await found("")] == ["cu2510", "rb2510"]
    assert [row["symbol"] for row in await found("btc perp")] == ["BTC-USDT-PERP"]
    assert [row["name"] for row in await found("OR 1=1 --%_*<b>")] == [HOSTILE]
    assert await found("1=2") == []
    mine = (Visible(("shfe",), ("cu*", "*C3300")),)
    assert [row["symbol"] for row in await found("2510", visible=mine)] == ["cu2510", "rb2510C3300"]
    assert await found("2510", visible=()) == await found("", visible=()) == []
