"""What people type, and which instruments it means: over every product of the Chinese exchanges and some of others."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism_application.contracts.questions import Search, Visible
from marketprism_application.errors import QueryError
from marketprism_application.queries.checks import check_text_search
from marketprism_application.queries.instrument_index import InstrumentIndex
from marketprism_application.queries.listed_instruments import ListedInstrument, month_number
from marketprism_domain.instruments.product_names import PRODUCT_NAMES

TODAY = "20260310"
_INDEX_OPTIONS = ("IO", "HO", "MO")


def contract(venue: str, product: str, month: str, rest: str = "") -> str:
    return f"{product}{month[1:] if venue == 'czce' else month}{rest}"


def listed() -> list[ListedInstrument]:
    """Of each product two contracts and an option, of crypto venues pairs, swaps, a future and an option, and a fund."""
    found = []
    for names in PRODUCT_NAMES:
        for month in ("2605", "2510", "2610"):
            if names.product not in _INDEX_OPTIONS:
                found.append(ListedInstrument(contract(names.venue, names.product, month), names.venue))
        dashes = "-" if names.venue in ("dce", "gfex", "cffex") else ""
        for side in "CP":
            symbol = contract(names.venue, names.product, "2605", f"{dashes}{side}{dashes}3000")
            found.append(ListedInstrument(symbol, names.venue, stored=False))
    for venue in ("okx", "binance"):
        for pair in ("BTC-BRL", "BTC-USDT", "ETH-USDT", "ETH-BTC", "BTCDOM-USDT"):
            native = pair.replace("-", "")
            found += [
                ListedInstrument(pair, venue, product=pair, class_="spot", native=native),
                ListedInstrument(f"{pair}-PERP", venue, product=pair, class_="swap", native=f"{native}-SWAP"),
            ]
    found += [
        ListedInstrument("BTC-28MAR25-90000-C", "deribit", product="BTC-USD", class_="option", expire_day="20250328"),
        ListedInstrument("SP a2605&a2611", "dce", stored=False),
        ListedInstrument("SPC a2605&m2605", "dce", stored=False),
        ListedInstrument("sc2610TAS", "ine"),
        ListedInstrument("10008000", "sse", product="510050", underlying="510050", name="50ETF购3月2850"),
    ]
    return found


@pytest.fixture(scope="module")
def index() -> InstrumentIndex:
    return InstrumentIndex(listed(), TODAY)


def found(index: InstrumentIndex, text: str, **more: Any) -> list[str]:
    return [index.instruments[number].symbol for number in index.search(text, **more)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("rb2605", ["rb2605", "rb2605C3000", "rb2605P3000"]),
        ("RB", ["rb2605", "rb2610", "rb2510"]),
        ("rb", ["rb2605", "rb2610", "rb2510", "rb2605C3000"]),
        ("螺纹", ["rb2605"]),
        ("螺纹钢", ["rb2605"]),
        ("螺纹2610", ["rb2610"]),
        ("螺纹 10", ["rb2610", "rb2510"]),
        ("luowen", ["rb2605"]),
        ("luo wen", ["rb2605"]),
        ("lwg", ["rb2605"]),
        ("LWG2610", ["rb2610"]),
        ("rebar", ["rb2605"]),
        ("steel", ["rb2605", "ss2605"]),
        ("stainless steel", ["ss2605"]),
        ("iron ore", ["i2605"]),
        ("btc", ["BTC-USDT", "BTC-USDT", "BTC-USDT-PERP", "BTC-USDT-PERP", "BTC-BRL"]),
        ("btc perp", ["BTC-USDT-PERP", "BTC-USDT-PERP", "BTC-BRL-PERP"]),
        ("btc 永续", ["BTC-USDT-PERP"]),
        ("btc-usdt", ["BTC-USDT"]),
        ("BTCUSDT", ["BTC-USDT"]),
        ("BTC-USDT-SWAP", ["BTC-USDT-PERP"]),
        ("btc 28mar25 c", ["BTC-28MAR25-90000-C"]),
        ("沪铜", ["cu2605"]),
        ("铜", ["cu2605"]),
        ("cu", ["cu2605", "cu2610"]),
        ("hulv", ["al2605"]),
        ("hulu", ["al2605"]),
        ("hulü", ["al2605"]),
        ("10年国债", ["T2605"]),
        ("十年国债", ["T2605"]),
        ("10nqgz", ["T2605"]),
        ("hj", ["au2605"]),
        ("huangjin", ["au2605"]),
        ("gold", ["au2605"]),
        ("tks", ["i2605"]),
        ("郑棉", ["CF605"]),
        ("a", ["a2605", "a2610"]),
        ("T", ["T2605", "T2610"]),
        ("SR605", ["SR605"]),
        ("SR2605", ["SR605"]),
        ("rb605", ["rb2605"]),
        ("605", ["AP605"]),
        ("m2605-C-3000", ["m2605-C-3000"]),
        ("m2605c3000", ["m2605-C-3000"]),
        ("SP a2605&a2611", ["SP a2605&a2611"]),
        ("rb_2605", ["rb2605"]),
        ("SHFE.rb2605", ["rb2605"]),
        ("rb2605.SHF", ["rb2605"]),
        ("豆粕期权", ["m2605-C-3000", "m2605-P-3000"]),
        ("豆粕看跌", ["m2605-P-3000"]),
        ("豆粕 call", ["m2605-C-3000"]),
        ("铜期权看涨2605", ["cu2605C3000"]),
        ("沪深300", ["IF2605"]),
        ("ｒｂ２６０５", ["rb2605"]),
        ("　螺纹　", ["rb2605"]),
        ("螺纹 上期所", ["rb2605"]),
        ("jingmi", ["rr2605"]),
        ("gengmi", ["rr2605"]),
        ("原油", ["sc2605"]),
        ("510050", ["10008000"]),
        ("50etf购", ["10008000"]),
    ],
)
def test_what_is_meant_comes_first(index: InstrumentIndex, text: str, first: Sequence[str]) -> None:
    assert found(index, text)[: len(first)] == list(first)


def test_initials_that_several_names_have_find_all_of_them(index: InstrumentIndex) -> None:
    assert set(found(index, "gz", limit=12)) == {f"{p}{m}" for p in ("T", "TF", "TS", "TL") for m in (2510, 2605, 2610)}
    assert {"IF2605", "IC2605"} <= set(found(index, "gz", limit=60))  # 股指: in the middle of a name


@pytest.mark.parametrize(
    "text",
    ["-", " / ", "%", "_", "*", "?", "'", '"', "<b>", "rb%", "rb*", "rb okx", "螺纹 豆粕", "\\", "rb'--"],
)
def test_signs_are_nothing_but_themselves(index: InstrumentIndex, text: str) -> None:
    assert found(index, text) == []


def test_every_name_and_reading_finds_its_product_first(index: InstrumentIndex) -> None:
    """Of the exchange's own name and of the trade's: where two products share one, each is among the first."""
    missing = []
    for names in PRODUCT_NAMES:
        for text in {names.name, names.short, names.chinese[0].pinyin[0], names.product}:
            if not any(
                (each.venue, each.symbol.lower()[: len(names.product)]) == (names.venue, names.product.lower())
                for each in (index.instruments[number] for number in index.search(text, limit=12))
            ):
                missing.append((names.product, text))
    assert missing == []


def test_only_those_of_the_venue_of_the_class_and_that_are_visible(index: InstrumentIndex) -> None:
    assert found(index, "a", venue="dce", class_="combination") == ["SP a2605&a2611", "SPC a2605&m2605"]
    assert set(found(index, "2605", class_="option", venue="ine", limit=200)) == {
        f"{product}2605{side}3000" for product in ("bc", "ec", "lu", "nr", "sc") for side in "CP"
    }
    mine = (Visible(("shfe", "ine"), ("rb*", "sc26?0*")), Visible(("ok*",), ("ETH-*",)))
    assert set(found(index, "2610", visible=mine)) == {"rb2610", "sc2610", "sc2610TAS"}
    assert set(found(index, "usdt", visible=mine)) == {"ETH-USDT", "ETH-USDT-PERP"}
    assert found(index, "rb", visible=()) == []
    assert found(index, "rb 2605", visible=(Visible(("*",), ("cu*",)),)) == []


def rebar(month: str, **more: Any) -> ListedInstrument:
    return ListedInstrument(f"rb{month}", "shfe", **more)


def test_among_equals_data_then_life_then_activity_then_nearness() -> None:
    instruments = [
        rebar("2701", stored=False, open_interest=Decimal(9)),
        rebar("2604", open_interest=Decimal(1)),
        rebar("2605", open_interest=Decimal(2)),
        rebar("2610", open_interest=Decimal(3)),
        rebar("2611"),
        rebar("2602", open_interest=Decimal(99)),
        rebar("2601"),
        rebar("2605C3000", open_interest=Decimal(50)),
        rebar("2612", stored=False),
    ]
    expected = ["2610", "2604", "2605", "2611", "2605C3000", "2602", "2601", "2612", "2701"]
    for given_order in (instruments, instruments[::-1]):
        index = InstrumentIndex(given_order, TODAY)
        assert found(index, "rb") == found(index, "luowengang") == [f"rb{month}" for month in expected]


def test_an_expiry_that_the_venue_says_counts_before_the_month_of_the_code() -> None:
    index = InstrumentIndex(
        [rebar("2603", expire_day="20260309"), rebar("2605"), rebar("2605")._replace(venue="ine")], TODAY
    )
    assert [(each.venue, each.symbol) for each in index.instruments] == [
        ("ine", "rb2605"),
        ("shfe", "rb2605"),
        ("shfe", "rb2603"),
    ]


@pytest.mark.parametrize(
    ("symbol", "month"),
    [
        ("rb2605", "202605"),
        ("SR605", "202605"),
        ("SR901", "202901"),
        ("SR912", "202912"),
        ("SR001C6000", "202001"),
        ("m2605-C-3000", "202605"),
        ("l2602F", "202602"),
        ("rb", ""),
        ("10008000", ""),
        ("", ""),
        ("rb888", ""),
        ("SP a2605&a2611", ""),
    ],
)
def test_the_month_of_a_code(symbol: str, month: str) -> None:
    assert month_number(symbol, TODAY) == month


def test_nothing_is_found_where_nothing_is_known() -> None:
    index = InstrumentIndex([], TODAY)
    assert found(index, "rb") == found(index, "rb 05") == found(index, "") == []


HOSTILE = st.text(max_size=12) | st.sampled_from(["=1+1", "<script>", "rb%", "Ⅻ", "²", "٢٦٠٥", "\ud7ff", "𝟚𝟞", "ﷺ"])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.builds(
            ListedInstrument,
            HOSTILE,
            st.sampled_from(["shfe", "czce", "okx", "sse"]),
            st.booleans(),
            expire_day=HOSTILE,
            name=HOSTILE,
            product=HOSTILE,
            class_=HOSTILE,
            native=HOSTILE,
            underlying=HOSTILE,
            open_interest=st.none() | st.decimals(allow_nan=False, allow_infinity=False),
        ),
        max_size=6,
    ),
    HOSTILE | st.text(max_size=100),
    st.integers(1, 20),
)
def test_whatever_is_listed_and_whatever_is_typed_a_search_ends(
    instruments: list[ListedInstrument], text: str, limit: int
) -> None:
    index = InstrumentIndex(instruments, TODAY)
    numbers = index.search(text, limit=limit)
    assert len(numbers) == len(set(numbers)) <= limit
    assert set(numbers) <= set(range(len(instruments)))
    for number in range(len(instruments)):
        symbol = index.instruments[number].symbol
        whole = index.search(symbol, limit=len(instruments))
        assert not whole or number in whole or not symbol.strip()


_SMALL = InstrumentIndex(listed()[:30], TODAY)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=120), st.integers(-5, 300), st.sampled_from(["", "shfe", "no such"]), st.text(max_size=5))
def test_what_is_checked_is_refused_by_name_or_can_be_searched(text: str, limit: int, venue: str, class_: str) -> None:
    refused = ""
    try:
        check_text_search(Search(text, venue, class_, limit))
    except QueryError as error:
        refused = str(error)
    if refused:
        assert refused.split(":")[0] in ("text", "limit", "venue", "class")
        return
    assert len(_SMALL.search(text, venue=venue, class_=class_, limit=limit)) <= limit <= 200


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Search("x" * 101), "text: expected at most 100 characters, was 101"),
        (Search("rb\n05"), r"text: expected no control character, was 'rb\n05'"),
        (Search("rb\u202e"), r"text: expected no control character, was 'rb\u202e'"),
        (Search("a b c d e f g"), "text: expected at most 6 words, was 7"),
        (Search("rb", limit=201), "limit: expected 1 to 200, was 201"),
        (Search("rb", limit=0), "limit: expected 1 to 200, was 0"),
        (Search("rb", class_="futur"), "class: expected one of future, .*, was 'futur'"),
        (Search("rb", venue="S H"), "venue: "),
    ],
)
def test_what_cannot_be_searched_is_refused(asked: Search, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        check_text_search(asked)
    assert message.split(".*", maxsplit=1)[0] in str(caught.value)
