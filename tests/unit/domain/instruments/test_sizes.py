"""The table of contract sizes beside lists and beside what was traded."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import lzma
from decimal import Decimal
from pathlib import Path

import pytest

from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_domain.instruments.sizes import size_of
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.exchange_hours import PRODUCTS


def test_every_contract_that_a_counter_listed_has_the_size_and_the_step_of_the_table(fixtures: Path) -> None:
    wrong, checked = [], 0
    with gzip.open(fixtures / "ctp/reference/ctp_instruments_20250813.csv.gz", "rt", encoding="utf-8") as text:
        for row in csv.DictReader(text):
            if row["ProductClass"] not in "1267":  # combinations and exchanges for physicals
                continue
            checked += 1
            size = size_of(row["ExchangeID"].lower(), row["InstrumentID"])
            listed = (Decimal(row["VolumeMultiple"]), Decimal(row["PriceTick"]))
            if size is None or (size.multiplier, size.price_tick) != listed:
                wrong.append((row["InstrumentID"], listed, size))
    assert wrong == []
    assert checked == 18_941


def test_futures_of_2016_to_2021_have_the_sizes_that_they_had(fixtures: Path) -> None:
    with lzma.open(fixtures / "ctp/reference/tq_instruments_2020-06-16.json.lzma") as file:
        listed = json.load(file)
    wrong = []
    for item in listed.values():
        venue = str(item.get("exchange_id", "")).lower()
        if item["class"] != "FUTURE" or item.get("expired") or venue not in PRODUCTS:
            continue
        size = size_of(venue, item["ins_id"])
        if size is None or (float(size.multiplier), float(size.price_tick or 0)) != (
            item["volume_multiple"],
            item["price_tick"],
        ):
            wrong.append(item["ins_id"])
    assert wrong == []


def test_every_product_of_the_six_exchanges_is_in_the_table() -> None:
    lacking = [(venue, product) for venue, products in PRODUCTS.items() for product in products]
    assert [(venue, product) for venue, product in lacking if size_of(venue, product) is None] == []


@pytest.mark.parametrize(
    ("venue", "symbol", "size"),
    [
        ("dce", "fb1911", "500"),
        ("dce", "fb2001", "10"),
        ("shfe", "fu1601", "50"),
        ("shfe", "fu2501", "10"),
        ("shfe", "ru1201", "5"),
        ("dce", "l2602F", "5"),
        ("ine", "sc2209TAS", "1000"),
        ("czce", "SPD SR509&SR511", "10"),
        ("czce", "IPS SM509&SF509", "5"),
        ("dce", "m2505-C-3000", "10"),
        ("cffex", "IO2501-P-4000", "100"),
        ("sse", "10004567", None),
        ("binance", "BTC-USDT", None),
        ("dce", "SPC a2509&jm2509", None),
    ],
)
def test_sizes_of_a_time_and_of_what_is_made_of_others(venue: str, symbol: str, size: str | None) -> None:
    found = size_of(venue, symbol)
    assert (str(found.multiplier) if found is not None else None) == size


@pytest.mark.parametrize("name", ["ru1901_20181009", "CFFEX_IF2101_20210105"])
@pytest.mark.long_on("CFFEX_IF2101_20210105")
def test_what_was_paid_is_what_was_traded_times_the_size(fixtures: Path, calendar: MarketCalendar, name: str) -> None:
    async def ticks() -> list[Tick]:
        source = ReplaySource([fixtures / f"ctp/ticks/{name}.csv.gz"], calendar)
        await source.connect()
        return [tick async for batch in source.stream({}) for tick in batch.ticks]

    last = asyncio.run(ticks())[-1]
    size = size_of(last.venue, last.symbol)
    assert size is not None and last.turnover and last.volume and last.low and last.high  # noqa: PT018
    assert last.low <= last.turnover / last.volume / size.multiplier <= last.high
    assert size.price_tick is not None and last.last is not None and last.last % size.price_tick == 0  # noqa: PT018


@pytest.mark.parametrize(
    ("venue", "symbol", "size"),
    [
        ("shfe", "au1911", ("1000", "0.05")),
        ("shfe", "au1912", ("1000", "0.02")),
        ("shfe", "au", ("1000", "0.02")),
        ("shfe", "bu2206", ("10", "2")),
        ("shfe", "bu2207", ("10", "1")),
        ("cffex", "TS2305", ("20000", "0.005")),
        ("cffex", "TS2306", ("20000", "0.002")),
        ("shfe", "rb2505C3000", ("10", "0.5")),
        ("dce", "SP m2505&m2509", ("10", "1")),
        ("dce", "SPC y2505&m2505", ("10", None)),
        ("dce", "SPC y2505&zz2505", None),
        ("dce", "SPC y2505&i2505", None),
        ("binance", "BTC-USDT", None),
    ],
)
def test_a_size_is_that_of_its_month_and_of_all_its_legs(
    venue: str, symbol: str, size: tuple[str, str | None] | None
) -> None:
    found = size_of(venue, symbol)
    assert (None if found is None else (str(found.multiplier), found.price_tick and str(found.price_tick))) == size
