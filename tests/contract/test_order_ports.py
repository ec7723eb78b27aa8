"""TradingTables and OrderMarket: one suite each over what fulfils them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from marketprism_adapters.memory.order_market import KnownOrderMarket
from marketprism_adapters.remote.order_market import RemoteOrderMarket
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import INSTRUMENT, MARK_PRICE, TICK
from marketprism_application.contracts.questions import Instruments, Latest, decode_question, encode_answer
from marketprism_application.errors import DefinitionError
from marketprism_application.ports.order_market import NewestPrices, OrderMarket
from marketprism_application.ports.trading_tables import TradingTables
from marketprism_application.queries.arrow_tables import table_of
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.mark_price import MarkPrice
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.trading.margin_tiers import MarginTiers
from marketprism_sdk.errors import NoResponders

OWN = """
venue = "binance"
[[fees]]
symbols = ["*-USDT-PERP"]
as_of = 2026-01-01
source = "own"
level = "VIP9"
maker = "-0.0001"
taker = 0.0003
[[tiers]]
symbols = ["BTC-USDT-PERP"]
as_of = 2026-01-01
source = "own"
tiers = [{ cap = 100, rate = 0.01, max_leverage = 10 }]
"""


@pytest.fixture(params=["package", "folder"])
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> TradingTables:
    if request.param == "package":
        return FileTables.read()
    (tmp_path / "own.toml").write_text(OWN)
    return FileTables.read(tmp_path)


def test_a_table_is_found_by_day_and_symbol_with_its_source(tables: TradingTables) -> None:
    on = date(2025, 6, 1)
    found = tables.margins("binance", "BTC-USDT-PERP", on)
    assert found is not None
    assert isinstance(found.value, MarginTiers)
    assert found.source.as_of == date(2024, 10, 1)
    assert found.source.table == "margins/binance"
    assert tables.margins("binance", "BTC-USDT-PERP", date(2020, 1, 1)) == found  # of a day before the first the first
    assert tables.margins("binance", "DOGE-USDT-PERP", on) is None
    assert tables.terms("shfe", "ru1901", on) is not None
    assert tables.limits("shfe", "cu1901", on) is None
    assert tables.market("nowhere", "BTC-USDT-PERP", on) is None


def test_of_two_rules_the_one_in_force_is_found(tables: TradingTables) -> None:
    rules = [tables.market("bybit", "BTC-USD-PERP", day) for day in (date(2026, 5, 26), date(2026, 5, 27))]
    assert [rule.value.inverse_rule for rule in rules if rule is not None] == ["distance_2024", "rate_2026"]


def test_every_row_is_listed(tables: TradingTables) -> None:
    assert {"binance", "okx", "bybit", "deribit", "shfe", "cffex", "sse"} <= set(tables.venues())
    for venue in tables.venues():
        rows = tables.rows(venue)
        assert {row.source.table for row in rows} >= {f"market/{venue}", f"terms/{venue}"}
        assert all(row.source.text and row.symbols and row.values for row in rows)
    assert tables.rows("nowhere") == []


def test_a_folder_of_ones_own_is_newer(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    tables, on = FileTables.read(tmp_path), date(2026, 6, 1)
    fees = tables.fees("binance", "BTC-USDT-PERP", on)
    assert fees is not None
    assert (fees.value.level, fees.value.maker.open.by_money) == ("VIP9", Decimal("-0.0001"))
    lowest = tables.fees("binance", "BTC-USD-PERP", on)
    assert lowest is not None
    assert lowest.value.level == "VIP0"
    tiers = tables.margins("binance", "BTC-USDT-PERP", on)
    assert tiers is not None
    assert isinstance(tiers.value, MarginTiers)
    assert tiers.value.tiers[0].cap == 100


@pytest.mark.parametrize(
    "text",
    [
        'venue = "x"\n[[tiers]]\nsymbols = ["*"]\nas_of = 2026-01-01\nsource = "s"\ntiers = []',
        'venue = "x"\n[[fees]]\nsymbols = ["*"]\nas_of = 2026-01-01\nsource = "s"\nmakr = 1',
        'venue = "x"\n[[fees]]\nsymbols = ["*"]\nas_of = "soon"\nsource = "s"',
        'venue = "x"\n[[fees]]\nsymbols = ["*"]\nas_of = 2026-01-01\nsource = "s"\nmaker = nan\ntaker = nan',
        "not a table",
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong.toml").write_text(text)
    with pytest.raises(DefinitionError, match=r"wrong\.toml: expected tables of a venue"):
        FileTables.read(tmp_path)


TERMS = InstrumentRecord(
    *("binance", "BTC-USDT-PERP", "binance", 0, 0, 1, 1, 0, "BTC-USDT", "swap"),
    multiplier=Decimal(1),
    price_tick=Decimal("0.1"),
    settle="USDT",
    quantity_step=Decimal("0.001"),
)
TICKED = Tick(
    venue="binance",
    symbol="BTC-USDT-PERP",
    source="binance",
    epoch=1,
    seq=1,
    ts_event=5,
    ts_recv=5,
    ts_pub=5,
    source_seq=1,
    trading_day="20260601",
    last=Decimal("60000.5"),
    volume=Decimal(1),
)
MARKED = MarkPrice("binance", "BTC-USDT-PERP", "binance", 0, 0, 6, 6, 0, Decimal("60001"))


def remote(tick: bytes | None = None, failures: Callable[[str], None] = lambda _: None) -> RemoteOrderMarket:
    async def ask_tick(_: str) -> bytes | None:
        return tick

    async def ask_table(data: bytes) -> bytes:
        question = decode_question(data)
        kind = INSTRUMENT if isinstance(question, Instruments) else TICK
        if isinstance(question, Latest) and question.kind == MARK_PRICE.name:
            kind = MARK_PRICE
        rows = {INSTRUMENT.name: TERMS, TICK.name: TICKED, MARK_PRICE.name: MARKED}
        return encode_answer(table_of(kind, [rows[kind.name]]))

    return RemoteOrderMarket(ask_tick, ask_table, failures)


@pytest.fixture(params=["known", "remote", "remote-bucket"])
def market(request: pytest.FixtureRequest) -> OrderMarket:
    if request.param == "known":
        prices = NewestPrices(Decimal("60000.5"), Decimal("60001"), 5)
        return KnownOrderMarket({("binance", "BTC-USDT-PERP"): prices}, [TERMS])
    return remote(encode(TICK, TICKED) if request.param == "remote-bucket" else None)


async def test_the_newest_prices_are_those_of_the_venue(market: OrderMarket) -> None:
    found = await market.newest("binance", "BTC-USDT-PERP")
    assert found == NewestPrices(Decimal("60000.5"), Decimal("60001"), 5)
    assert await market.newest("okx", "BTC-USDT-PERP") is None


async def test_terms_are_those_of_the_venue(market: OrderMarket) -> None:
    found = await market.listed("binance", "BTC-USDT-PERP")
    assert found is not None
    assert (str(found.price_tick), str(found.quantity_step), found.settle) == ("0.1", "0.001", "USDT")
    assert await market.listed("okx", "BTC-USDT-PERP") is None


async def test_what_cannot_be_asked_is_not_known_and_counted() -> None:
    failed: list[str] = []

    async def away(_: object) -> bytes:
        raise NoResponders("query: nobody answers")

    market = RemoteOrderMarket(away, away, failed.append)
    assert await market.newest("binance", "BTC-USDT-PERP") is None
    assert await market.listed("binance", "BTC-USDT-PERP") is None
    assert failed == ["tick", "table", "table", "table"]
