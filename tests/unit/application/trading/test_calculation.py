"""Orders calculated: what callers get, with the worked numbers where there are any."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from marketprism_adapters.memory.order_market import KnownOrderMarket
from marketprism_application.contracts.failures import Code, consequence_of
from marketprism_application.contracts.orders import TablesOf
from marketprism_application.errors import OrderError
from marketprism_application.ports.order_market import NewestPrices
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from tests.support.orders import NOW, PERP, calculated, desk, liquidated, profit, sized

AT_2024 = NOW - 600 * 86_400 * 10**9
EIGHT = {**PERP, "side": "sell", "quantity": "8", "price": "72000", "leverage": 10}
RU = {"venue": "shfe", "symbol": "ru1901", "side": "buy", "quantity": 3, "price": "12345", "settlement": "12310"}
OKX = {"venue": "okx", "symbol": "BTC-USDT-PERP", "quantity": 100, "price": 60000, "leverage": 10}


def near(text: str | None, expected: str) -> bool:
    return text is not None and abs(Decimal(text) - Decimal(expected)) <= Decimal("0.005")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({**PERP, "leverage": 10}, "54221.11"),
        ({**PERP, "leverage": 10, "side": "sell"}, "65721.39"),
        ({**PERP, "leverage": 50}, "59045.23"),
        ({**PERP, "leverage": 50, "side": "sell"}, "60945.27"),
        (EIGHT, "78806.51"),
        ({**OKX, "side": "buy"}, "54244.10"),
        ({**OKX, "side": "sell"}, "65704.33"),
        ({**OKX, "side": "buy", "symbol": "BTC-USD-PERP"}, "54790.91"),
        ({**OKX, "side": "sell", "symbol": "BTC-USD-PERP"}, "66366.67"),
        ({**PERP, "venue": "bybit", "price": 20000, "leverage": 50}, "19700"),
        ({**PERP, "venue": "bybit", "price": 8000, "leverage": 40, "side": "sell"}, "8160"),
        (
            {**PERP, "venue": "bybit", "symbol": "BTC-USD-PERP", "quantity": 60000, "price": 50000, "leverage": 10},
            "45681.82",
        ),
        (
            {
                **PERP,
                "venue": "bybit",
                "symbol": "BTC-USD-PERP",
                "quantity": 60000,
                "price": 50000,
                "leverage": 10,
                "at": AT_2024,
            },
            "45662.10",
        ),
    ],
)
def test_where_an_order_is_liquidated(body: dict[str, object], expected: str) -> None:
    assert near(calculated(**body).liquidation_price, expected)


def test_the_tier_is_that_of_the_price_of_liquidation_and_the_answer_names_its_rule_and_tables() -> None:
    found = calculated(**EIGHT)
    assert found.tier is not None
    assert (found.tier.number, found.tier.rate, found.tier.deduction) == (3, "0.0065", "950")
    assert {source.table for source in found.sources} == {
        "market/binance",
        "terms/binance",
        "margins/binance",
        "fees/binance",
    }
    assert found.stale_table
    assert not calculated(**EIGHT, at=NOW - 600 * 86_400 * 10**9).stale_table  # two months behind the tables


def test_the_cost_of_an_order_is_that_of_the_rule_in_force() -> None:
    body = {**PERP, "side": "sell", "price": "9253.30", "leverage": 20, "mark": "9259.84", "last": "9258.99"}
    assert near(calculated(**body).order_cost.total, "463.64")  # type: ignore[union-attr]
    assert near(calculated(**body, at=AT_2024).order_cost.total, "469.205")  # type: ignore[union-attr]
    assert near(calculated(**{**body, "side": "buy"}, at=AT_2024).order_cost.total, "462.665")  # type: ignore[union-attr]


def test_hedged_legs_of_a_cross_account_share_one_price() -> None:
    body = {**PERP, "side": "sell", "margin_mode": "cross", "position_mode": "hedge", "wallet": 10000, "leverage": 20}
    held = {"symbol": "BTC-USDT-PERP", "side": "buy", "quantity": 2, "entry": 60000}
    assert near(calculated(**body, positions=[held]).liquidation_price, "50659.90")


def test_other_positions_of_a_cross_account_count_as_published() -> None:
    positions = [
        {"symbol": "ETH-USDT-PERP", "side": "buy", "quantity": "3683.979", "entry": "1456.84", "mark": "1335.18"},
        {"symbol": "BTC-USDT-PERP", "side": "buy", "quantity": "109.488", "entry": "32481.98", "mark": "31967.27"},
    ]
    tiers = {
        "ETH-USDT-PERP": [{"rate": "0.1", "deduction": 135365}],
        "BTC-USDT-PERP": [{"rate": "0.025", "deduction": 16300}],
    }
    found = liquidated(venue="binance", wallet="1535443.01", positions=positions, tiers=tiers)
    assert near(found.positions[0].liquidation_price, "1153.26")
    assert near(found.positions[1].liquidation_price, "26316.89")
    assert near(found.positions[1].maintenance_margin, "71200.81144")


def test_prices_are_rounded_towards_safety_and_refused_where_that_is_wanted() -> None:
    bought, sold = (calculated(**{**PERP, "side": side, "price": "60000.04"}) for side in ("buy", "sell"))
    assert (bought.price, sold.price) == ("60000", "60000.1")
    assert bought.rounded == ["price"]
    with pytest.raises(OrderError, match=r"price: expected a multiple of 0\.1, was 60000\.04") as refused:
        calculated(**{**PERP, "price": "60000.04", "strict": True})
    assert refused.value.code == Code.OFF_TICK
    assert refused.value.details == {"field": "price", "value": "60000.04", "expected": "a multiple of 0.1"}


def test_more_leverage_than_the_tier_allows_is_refused_by_the_tier() -> None:
    with pytest.raises(OrderError, match="leverage: expected at most 75 in tier 3, of 600000 to 3000000") as refused:
        calculated(**{**EIGHT, "quantity": 10, "leverage": 100})
    assert refused.value.code == Code.LEVERAGE_TOO_HIGH
    assert consequence_of(refused.value.code).status == 400


def test_a_chinese_future_has_margin_by_the_settlement_before_limits_and_its_exchanges_fees() -> None:
    found = calculated(**RU, fees={"maker": "0.000045", "taker": "0.000045"}, wallet=100000)
    assert found.initial_margin is not None
    assert (found.initial_margin.amount, found.initial_margin.currency) == ("33237", "CNY")
    assert found.limits == ["13170", "11445"]
    assert found.fees is not None
    assert found.fees.open_taker == "16.66575"
    assert found.risk_ratio == "0.33237"
    assert [each.code for each in calculated(**{**RU, "price": 13175}).violations] == ["ABOVE_LIMIT"]
    assert any("fees of ru1901" in each for each in calculated(**RU).not_known)


@pytest.mark.parametrize(
    ("body", "margin"),
    [
        ({"venue": "sse", "symbol": "510050C2512M03000", "price": "0.12", "underlying": "2.95"}, "4240"),
        ({"venue": "sse", "symbol": "510050P2512M02900", "price": "0.09", "underlying": "2.95"}, "3940"),
        ({"venue": "cffex", "symbol": "IO2501-C-4100", "price": 60, "underlying": 4000}, "44000"),
        ({"venue": "dce", "symbol": "m2505-C-3100", "price": 80, "underlying": 3000}, "3300"),
        ({"venue": "dce", "symbol": "m2505-P-2950", "price": 60, "underlying": 3000}, "3350"),
        ({"venue": "deribit", "symbol": "BTC-27DEC24-104000-C", "price": "0.02", "underlying": 100000}, "0.13"),
    ],
)
def test_sellers_of_options_have_margin_and_buyers_pay_the_premium(body: dict[str, object], margin: str) -> None:
    sold = calculated(**body, side="sell", quantity=1)
    assert sold.initial_margin is not None
    assert sold.initial_margin.amount == margin
    bought = calculated(**body, side="buy", quantity=1)
    assert bought.initial_margin is not None
    assert bought.initial_margin.amount == bought.notional.amount


def test_a_budget_or_a_risk_says_how_much() -> None:
    body = {k: v for k, v in PERP.items() if k != "quantity"}
    found = calculated(**body, risk=1200, stop=58800, fees={"maker": 0, "taker": 0})
    assert (found.quantity, found.stop_loss.pnl) == ("1", "-1200")  # type: ignore[union-attr]
    both = sized(**body, risk=1200, stop=58800, budget=3000, leverage=10, fees={"maker": 0, "taker": 0})
    assert (both.quantity, both.limited_by, both.loss) == ("0.5", "budget", "600")


def test_a_stop_and_a_take_are_those_of_the_entry() -> None:
    short = calculated(
        **{**PERP, "price": 10000, "side": "sell"}, entry_share="0.04", stop_share="0.019", take_share="0.04"
    )
    assert (short.price, short.stop_loss.price, short.take_profit.price) == ("10400", "10597.6", "9984")  # type: ignore[union-attr]
    long = calculated(**{**PERP, "price": 10000}, entry_share="0.04", stop_share="0.019", take_share="0.04")
    assert (long.price, long.stop_loss.price, long.take_profit.price) == ("9600", "9417.6", "9984")  # type: ignore[union-attr]
    ratio = calculated(**PERP, stop=58800, reward_risk=2)
    assert ratio.take_profit.price == "62400"  # type: ignore[union-attr]


def test_profit_is_that_of_the_price_with_fees_and_of_a_day_from_the_settlement() -> None:
    position = {"venue": "binance", "symbol": "BTC-USDT-PERP", "side": "buy", "quantity": "0.5", "entry": 60000}
    found = profit(**position, price="61234.5")
    assert (found.pnl, found.fees, found.after_fees) == ("617.25", "30.308625", "586.941375")
    ru = {"venue": "shfe", "symbol": "ru1901", "side": "buy", "entry": 12560, "price": 12605}
    assert profit(**ru, quantity=2).pnl == "900"
    assert profit(**ru, quantity=1, today=0, settlement=12310).pnl == "2950"


def test_who_opens_shortly_behind_a_settlement_may_be_charged_for_it() -> None:
    body = {"venue": "binance", "symbol": "BTC-USDT-PERP", "side": "buy", "quantity": "0.5", "entry": 60000}
    body |= {"price": 60000, "funding_rate": "0.0001", "settles_at": NOW}
    paid = [profit(**body, opened_at=NOW + seconds * 10**9).funding for seconds in (-1, 0, 15, 20)]
    assert paid == ["-3", "-3", "-3", "0"]
    assert profit(**{**body, "venue": "okx", "quantity": 50}, opened_at=NOW + 10**9).funding == "0"


def test_the_newest_price_of_the_platform_is_taken_and_named() -> None:
    key = ("binance", "BTC-USDT-PERP")
    market = KnownOrderMarket({key: NewestPrices(Decimal("60000.3"), Decimal("60001"), NOW)})
    body = {k: v for k, v in PERP.items() if k != "price"}
    found = calculated(market, **body)
    assert (found.price, found.price_from) == ("60000.3", "newest tick, 2026-06-01T00:00:00Z")
    with pytest.raises(
        OrderError, match="price: expected a price, since the platform has none of BTC-USDT-PERP"
    ) as none:
        calculated(**body)
    assert none.value.code == Code.NO_PRICE


def test_where_the_market_stands_counts_for_an_order_with_a_price_too_and_is_named() -> None:
    key = ("binance", "BTC-USDT-PERP")
    market = KnownOrderMarket({key: NewestPrices(Decimal("9258.99"), Decimal("9259.84"), NOW)})
    body = {**PERP, "side": "sell", "price": "9253.3", "leverage": 20}
    found = calculated(market, **body)
    assert (found.price, found.price_from) == ("9253.3", "request")
    assert found.order_cost is not None
    assert found.order_cost.price == "9272.878485"  # of the last price, 0.15 % above it
    named = {(each.rule, each.as_of) for each in found.sources if each.table == "prices"}
    assert named == {("last price 9258.99, newest tick", "2026-06-01T00:00:00Z"), ("mark 9259.84", "")}
    far = calculated(market, **{**body, "price": "12000"})
    assert [each.code for each in far.violations] == ["PERCENT_PRICE"]
    given = calculated(market, **{**body, "mark": "9253.3", "last": "9000"})
    assert given.order_cost is not None
    assert given.order_cost.price == "9253.3"
    assert "prices" not in {each.table for each in given.sources}


def test_of_rows_for_the_same_symbols_those_are_listed_that_hold_on_the_day() -> None:
    def listed(at: int) -> list[str]:
        rows = asyncio.run(desk().tables(TablesOf("binance", at)))
        return [row.as_of for row in rows if row.table == "market/binance" and row.symbols[0] == "*-USDT-PERP"]

    assert [listed(at) for at in (NOW, AT_2024, 10**18)] == [["2026-01-01"], ["2024-10-01"], ["2024-10-01"]]


def test_what_the_venue_lists_wins_over_a_table_and_what_is_given_over_both() -> None:
    listed = InstrumentRecord(
        *("binance", "BTC-USDT-PERP", "binance", 0, 0, 0, 0, 0, "BTC-USDT", "swap"),
        price_tick=Decimal("0.5"),
        settle="USDT",
    )
    market = KnownOrderMarket(terms=[listed])
    assert calculated(market, **{**PERP, "price": "60000.3"}).price == "60000"
    assert calculated(market, **{**PERP, "price": "60000.3"}, terms={"tick": "0.3"}).price == "60000.3"


def test_an_account_of_one_currency_and_one_position_an_instrument() -> None:
    one = {"symbol": "BTC-USDT-PERP", "side": "buy", "quantity": 1, "entry": 60000}
    with pytest.raises(OrderError, match=r"positions\[1\]\.symbol: expected one position of an instrument"):
        liquidated(venue="binance", wallet=1000, positions=[one, one])
    with pytest.raises(OrderError, match=r"positions\[1\]\.symbol: expected one that settles in USDT"):
        liquidated(venue="binance", wallet=1000, positions=[one, {**one, "symbol": "BTC-USD-PERP"}])
    ru = {"symbol": "ru1901", "side": "buy", "quantity": 3, "entry": 12310}
    sides = [ru, {**ru, "symbol": "ru1905", "side": "sell", "quantity": 1}]
    found = liquidated(venue="shfe", wallet=44316, positions=sides)
    assert (found.maintenance_margin, found.risk_ratio) == ("33237", "0.75")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"venue": "binanse"}, "venue: expected one of .*did you mean 'binance'"),
        ({"symbol": "BTCUSDT"}, r"symbol: expected one of the forms .*\*-USDT-PERP"),
        ({"quantity": "NaN"}, "quantity: expected a finite number"),
        ({"quantity": "1e999999999"}, "quantity: expected a finite number"),
        ({"quantity": 0}, "quantity: expected more than 0, was 0"),
        ({"quantity": "0.0001"}, "quantity: expected at least a step, 0.001, was 0.0001"),
        ({"budget": 10}, "quantity: expected one of quantity, budget and risk, was quantity and budget"),
        ({"leverage": "0.5"}, "leverage: expected 1 to 1000"),
        ({"stop": 61000}, "stop: expected a price below 60000, was 61000"),
        ({"prices": [1, -1]}, r"prices\[1\]: expected more than 0"),
        ({"tiers": [{"rate": "0.01", "cap": 10}, {"rate": "0.005"}]}, r"tiers\[2\]\.rate: expected at least 0.01"),
        ({"fee_level": "VIP99"}, "fee_level: expected one of VIP0, was VIP99"),
        ({"venue": "okx", "symbol": "XYZ-USDT-PERP"}, "terms.multiplier: expected the units of one contract"),
        ({"venue": "shfe", "symbol": "ru1901", "leverage": 5}, "leverage: expected none or 1"),
        ({"venue": "czce", "symbol": "SPD SR509&SR511"}, "symbol: expected a single contract"),
        ({"margin_rate": "0.1"}, "margin_rate: expected none at binance"),
    ],
)
def test_what_is_wrong_is_named_with_its_field(wrong: dict[str, object], text: str) -> None:
    with pytest.raises(OrderError, match=text) as refused:
        calculated(**{**PERP, **wrong})
    assert consequence_of(refused.value.code).status == 400
    assert set(refused.value.details) == {"field", "value", "expected"}
