"""Main contracts and continuous bars: who leads, from when, and prices that meet at the change."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from marketprism_adapters.memory.store import MemoryStore
from marketprism_application.contracts.failures import AnswerError
from marketprism_application.contracts.kinds import BAR, INSTRUMENT, TICK
from marketprism_application.contracts.questions import Continuous, Dominant, decode_answer, encode_question
from marketprism_application.errors import QueryError
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.queries.answering import answer, answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_domain.bars.contract_rolls import ContractDay, adjustments, delivery_of, rolls
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.names import product_of
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import day_of, day_text
from tests.contract.test_codec import SAMPLES


def day(symbol: str, text: str, interest: int | None, close: int = 100, volume: int = 1) -> ContractDay:
    return ContractDay(symbol, text, Decimal(close), Decimal(volume), None if interest is None else Decimal(interest))


def led(*days: ContractDay) -> list[tuple[str, str]]:
    return [(roll.trading_day, roll.symbol) for roll in rolls(days)]


def test_the_contract_with_the_most_interest_leads_from_the_next_day_on_and_never_goes_back() -> None:
    assert led() == []
    assert led(day("rb2505", "20250303", 5), day("rb2510", "20250303", 3)) == [("20250303", "rb2505")]
    days = [
        day("rb2505", "20250303", 5),
        day("rb2510", "20250303", 3),
        day("rb2505", "20250304", 3, 100),
        day("rb2510", "20250304", 5, 110),
        day("rb2505", "20250305", 6),
        day("rb2510", "20250305", 5),
        day("rb2510", "20250306", 2),
        day("rb2601", "20250306", 3, 90),
        day("rb2601", "20250307", 9),
    ]
    assert led(*days) == [("20250303", "rb2505"), ("20250305", "rb2510"), ("20250307", "rb2601")]
    assert led(*reversed(days)) == led(*days)
    found = rolls(days)
    assert (found[1].previous, found[1].previous_close, found[1].close) == ("rb2505", 100, 110)
    assert led(day("a2505", "20250303", None), day("a2509", "20250304", 1)) == [("20250304", "a2509")]
    equal = [day("a2505", "20250303", 5, volume=1), day("a2509", "20250303", 5, volume=2)]
    assert led(*equal) == [("20250303", "a2509")]


def test_zhengzhous_years_have_one_digit() -> None:
    assert delivery_of("AP010", "20200803") == 202010
    assert delivery_of("AP101", "20200803") == 202101
    assert delivery_of("SR905", "20191201") == 201905
    assert delivery_of("SR001", "20191201") == 202001
    assert delivery_of("rb2505", "20250303") == 202505
    with pytest.raises(InvalidValue, match="symbol"):
        delivery_of("m2505-C-3000", "20250303")


def test_prices_before_a_change_meet_those_after_it() -> None:
    found = rolls(
        [
            day("rb2505", "20250303", 5, 100),
            day("rb2510", "20250303", 6, 120),
            day("rb2505", "20250304", 5),
            day("rb2510", "20250304", 6, 100),
            day("rb2601", "20250304", 7, 50),
            day("rb2601", "20250305", 7),
        ]
    )
    assert [roll.symbol for roll in found] == ["rb2510", "rb2601"]
    assert [(a.factor, a.shift) for a in adjustments(found, "none")] == [(1, 0), (1, 0)]
    assert [(a.factor, a.shift) for a in adjustments(found, "difference")] == [(1, -50), (1, 0)]
    assert [(a.factor, a.shift) for a in adjustments(found, "ratio")] == [(Decimal("0.5"), 0), (1, 0)]
    with pytest.raises(InvalidValue, match="adjust: expected one of none, difference, ratio"):
        adjustments(found, "panama")


async def store_of(calendar: MarketCalendar) -> tuple[MemoryStore, list[str]]:
    """Two contracts over ten days, the second ahead from the sixth; its prices lie 7 higher."""
    store, schedule = MemoryStore(), calendar.schedule("shfe", "rb2505")
    days: list[str] = []
    at = day_of("20250303")
    while len(days) < 10:
        if schedule.trades(at):
            days.append(day_text(at))
        at += timedelta(days=1)
    bars: list[Bar] = []
    for number, text in enumerate(days):
        opened, closed = schedule.sessions(text)[0].ts_open, schedule.sessions(text)[-1].ts_close
        for symbol, price, interest in (("rb2505", 3000 + number, 100 - 10 * number), ("rb2510", 3007 + number, 55)):
            bars.append(
                SAMPLES["bar"]._replace(
                    venue="shfe",
                    symbol=symbol,
                    interval="1d",
                    ts_open=opened,
                    ts_close=closed,
                    ts_event=closed,
                    seq=number,
                    trading_day=text,
                    open=Decimal(price),
                    high=Decimal(price),
                    low=Decimal(price),
                    close=Decimal(price),
                    volume=Decimal(1),
                    open_interest=Decimal(interest),
                    revision=0,
                )
            )
    await store.insert(BAR, bars, [StreamPlace(n, 0) for n in range(len(bars))], StreamRange("S", "x", 1, len(bars)), 1)
    tick = SAMPLES["tick"]
    ticks = [tick._replace(venue="shfe", symbol=symbol) for symbol in ("rb2505", "rb2510")]
    await store.insert(TICK, ticks, [StreamPlace(1, 0), StreamPlace(2, 0)], StreamRange("T", "x", 1, 2), 1)
    return store, days


async def test_continuous_bars_are_those_of_the_contract_that_led(calendar: MarketCalendar) -> None:
    store, days = await store_of(calendar)
    rules = ReadRules(calendar, ("1d",))
    changes = (await answer_question(store, Dominant("rb"), rules)).to_pylist()
    assert [(row["trading_day"], row["symbol"]) for row in changes] == [(days[0], "rb2505"), (days[6], "rb2510")]
    question = Continuous("rb", interval="1d")
    plain = (await answer_question(store, question, rules)).to_pylist()
    assert [row["trading_day"] for row in plain] == days
    assert [row["symbol"] for row in plain] == ["rb2505"] * 6 + ["rb2510"] * 4
    assert [row["close"] for row in plain[5:7]] == [3005, 3013]
    moved = (await answer_question(store, Continuous("rb", interval="1d", adjust="difference"), rules)).to_pylist()
    assert [row["close"] for row in moved] == [3007 + n for n in range(10)]
    last = await answer_question(store, Continuous("rb", interval="1d", limit=3, last=True), rules)
    assert last.column("trading_day").to_pylist() == days[-3:]
    part = Continuous("rb", interval="1d", ts_from=plain[4]["ts_open"], ts_to=plain[8]["ts_open"])
    assert (await answer_question(store, part, rules)).column("trading_day").to_pylist() == days[4:8]
    for wrong, text in (
        (Dominant("zz"), "product: expected one with stored day bars of its futures, was 'zz'$"),
        (
            Dominant("RB2505"),
            "product: expected one with stored day bars of its futures, was 'RB2505'; did you mean 'rb'$",
        ),
        (Continuous("rb", interval="1d", adjust="x"), "adjust: expected one of none"),
    ):
        with pytest.raises(QueryError, match=text):
            await answer_question(store, wrong, rules)


@pytest.mark.parametrize("listed", ["none", "all as l", "by product"])
async def test_contracts_of_products_of_their_own_lead_those_products_alone(
    calendar: MarketCalendar, listed: str
) -> None:
    interest = {"l2602F": (51975, 39962, 29962), "l2603F": (20975, 59962, 69962), "l2605": (19975, 38962, 28962)}
    interest |= {"l2605-C-7000": (90000,) * 3, "SP l2605&l2609": (90000,) * 3}
    days = ("20260105", "20260106", "20260107")
    bars = [
        SAMPLES["bar"]._replace(
            venue="dce",
            symbol=symbol,
            interval="1d",
            seq=number,
            trading_day=text,
            revision=0,
            ts_open=calendar.schedule("dce", symbol).sessions(text)[0].ts_open,
            open_interest=Decimal(of_day),
        )
        for symbol, of_days in interest.items()
        for number, (text, of_day) in enumerate(zip(days, of_days, strict=True))
    ]
    store, rules = MemoryStore(), ReadRules(calendar, ("1d",))
    await store.insert(BAR, bars, [StreamPlace(n, 0) for n in range(len(bars))], StreamRange("S", "x", 1, len(bars)), 1)
    products = {symbol: "l" if listed == "all as l" else product_of(symbol) for symbol in interest}
    terms = [
        SAMPLES["instrument"]._replace(venue="dce", symbol=s, product=p, class_="future") for s, p in products.items()
    ]
    if listed == "none":
        ticks = [SAMPLES["tick"]._replace(venue="dce", symbol=symbol) for symbol in interest]
        at = [StreamPlace(n, 0) for n in range(len(ticks))]
        await store.insert(TICK, ticks, at, StreamRange("T", "x", 1, len(ticks)), 1)
    else:
        at = [StreamPlace(n, 0) for n in range(len(terms))]
        await store.insert(INSTRUMENT, terms, at, StreamRange("I", "x", 1, len(terms)), 1)
    wanted = {"l": [("20260105", "l2605")], "l_f": [("20260105", "l2602F"), ("20260107", "l2603F")]}
    for product in ("l",) if listed == "all as l" else ("l", "l_f"):
        changes = (await answer_question(store, Dominant(product), rules)).to_pylist()
        assert [(row["trading_day"], row["symbol"]) for row in changes] == wanted[product]
    line = (await answer_question(store, Continuous("l", interval="1d"), rules)).to_pylist()
    assert [row["symbol"] for row in line] == ["l2605"] * 3


async def test_a_product_of_no_known_exchange_is_refused_by_its_name_unless_the_venue_is_named(
    calendar: MarketCalendar,
) -> None:
    opened = calendar.schedule("gfex", "qq2505").sessions("20250303")[0].ts_open
    bar = SAMPLES["bar"]._replace(
        venue="gfex", symbol="qq2505", interval="1d", ts_open=opened, trading_day="20250303", revision=0
    )
    store, rules = MemoryStore(), ReadRules(calendar, ("1d",))
    terms = SAMPLES["instrument"]._replace(venue="gfex", symbol="qq2505", product="qq", class_="future")
    for kind, row in ((BAR, bar), (INSTRUMENT, terms)):
        await store.insert(kind, [row], [StreamPlace(1, 0)], StreamRange("S", "x", 1, 1), 1)
    question = Continuous("qq", interval="1d")
    with pytest.raises(AnswerError, match=r"product: expected one whose exchange is known.*was 'qq'") as refused:
        decode_answer(await answer(store, encode_question(question), rules))
    assert (refused.value.failure.code, refused.value.failure.retryable) == ("INVALID_PARAMETER", False)
    named = msgspec.structs.replace(question, venue="gfex")
    assert (await answer_question(store, named, rules)).column("symbol").to_pylist() == ["qq2505"]
