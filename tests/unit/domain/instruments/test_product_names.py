"""Names of products: every product has them, readings fit their characters, and counters use no others."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import pytest

from marketprism_domain.instruments.product_names import (
    PRODUCT_NAMES,
    ChineseName,
    chinese_name,
    english_name,
    names_of,
)
from marketprism_domain.instruments.sizes import size_of
from marketprism_domain.sessions.exchange_hours import PRODUCTS

_PARTS = re.compile(r"[A-Za-z]+|\d+|[\u4e00-\u9fff]")


def test_the_products_are_those_that_have_sizes_and_hours() -> None:
    traded = [(venue, product) for venue, products in PRODUCTS.items() for product in products]
    assert sorted((names.venue, names.product.lower()) for names in PRODUCT_NAMES) == sorted(traded)
    assert [names.product for names in PRODUCT_NAMES if size_of(names.venue, names.product) is None] == []


def test_a_reading_has_a_syllable_for_each_character() -> None:
    wrong = [
        (names.product, name)
        for names in PRODUCT_NAMES
        for name in names.chinese
        for reading in name.readings
        if len(_PARTS.findall(name.text)) != len(reading.split()) or not re.fullmatch("[a-z0-9 ]+", reading)
    ]
    assert wrong == []


def test_names_stand_once_in_a_product_and_the_exchanges_names_once_in_an_exchange() -> None:
    for names in PRODUCT_NAMES:
        texts = [name.text for name in names.chinese]
        assert len(set(texts)) == len(texts), names
        assert all(names.english), names
    firsts = [(names.venue, names.name) for names in PRODUCT_NAMES]
    assert len(set(firsts)) == len(firsts)


def test_every_name_that_a_counter_shows_is_known(fixtures: Path) -> None:
    unknown, checked = set(), 0
    with gzip.open(fixtures / "ctp/reference/ctp_instruments_20250813.csv.gz", "rt", encoding="utf-8") as text:
        for row in csv.DictReader(text):
            if row["ProductClass"] != "1" or row["InstrumentName"].isascii():
                continue
            shown = re.sub(r"(期货)?\d{4}$|\d{1,2}月$", "", row["InstrumentName"])
            names = names_of(row["ExchangeID"].lower(), row["InstrumentID"])
            checked += 1
            if names is None or not any(shown in name.text for name in names.chinese):
                unknown.add((row["ProductID"], shown))
    assert unknown == set()
    assert checked > 250


def test_readings_initials_and_the_ways_to_type_them() -> None:
    assert ChineseName("螺纹钢", ("luo wen gang",)).initials == ("lwg",)
    assert ChineseName("10年期国债", ("10 nian qi guo zhai",)).initials == ("10nqgz",)
    aluminium, rice = names_of("shfe", "al2605"), names_of("dce", "rr")
    assert aluminium is not None
    assert aluminium.chinese[1].pinyin == ("hulv", "hulu")
    assert rice is not None
    assert rice.chinese[0].initials == ("jm", "gm")


@pytest.mark.parametrize(
    ("venue", "symbol", "chinese", "english"),
    [
        ("shfe", "rb2605", "螺纹钢2605", "Steel Rebar"),
        ("shfe", "rb", "螺纹钢", "Steel Rebar"),
        ("czce", "SR605", "白糖605", "White Sugar"),
        ("dce", "m2505-C-3000", "豆粕2505看涨3000", "Soybean Meal Options"),
        ("czce", "SR511MSP6300", "白糖511看跌6300", "White Sugar Options"),
        ("cffex", "IO2505-P-4000", "沪深300股指2505看跌4000", "CSI 300 Index Options"),
        ("dce", "l2602F", "聚乙烯2602F", "LLDPE"),
        ("ine", "sc2509TAS", "原油2509TAS", "Crude Oil"),
        ("czce", "IPS SM509&SF509", "锰硅509&硅铁509", "Silicon Manganese spread"),
        ("sse", "10008000", "", ""),
        ("okx", "BTC-USDT", "", ""),
        ("shfe", "zz2605", "", ""),
        ("shfe", "", "", ""),
        ("shfe", "SP rb2605&zz2605", "", ""),
    ],
)
def test_an_instrument_is_called_by_its_product_and_its_code(
    venue: str, symbol: str, chinese: str, english: str
) -> None:
    assert chinese_name(venue, symbol) == chinese
    if chinese or "&" not in symbol:
        assert english_name(venue, symbol) == english
