"""Our sessions and trading days against the tables that others keep."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from marketprism_domain.instruments.names import product_of
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.exchange_hours import (
    EXCHANGES,
    PRODUCTS,
    has_action_day_of_session,
    has_derived_turnover,
)
from marketprism_domain.sessions.trading_days import day_of, day_text, midnight
from marketprism_domain.values import NANOS_PER_MINUTE

Sections = list[tuple[int, int]]  # minutes from midnight of the day a section begins on
VENUES = ("shfe", "ine", "dce", "czce", "cffex")
# WonderTrader's table of 2022-03 closes treasury futures with the index futures and rubber 20 with crude oil. TianQin's
# list and the exchanges' notices say 15:15 and 23:00.
WRONG_AT_WONDERTRADER = {("cffex", "T"), ("cffex", "TF"), ("cffex", "TS"), ("ine", "nr")}


def ours(calendar: MarketCalendar, venue: str, symbol: str, day: str) -> Sections:
    found: Sections = []
    for session in calendar.schedule(venue, symbol).sessions(day):
        opens = (session.ts_open - midnight(day_of(day))) // NANOS_PER_MINUTE % 1440
        found.append((opens, opens + (session.ts_close - session.ts_open) // NANOS_PER_MINUTE))
    return found


def minutes(text: str) -> int:
    hours, rest = text.split(":")[:2]
    return int(hours) * 60 + int(rest)


def gbk(path: Path) -> Any:
    return json.loads(path.read_bytes().decode("gbk"))


def test_every_instrument_of_tianqins_list_trades_when_it_says(calendar: MarketCalendar, fixtures: Path) -> None:
    with lzma.open(fixtures / "ctp/reference/tq_instruments_2020-06-16.json.lzma") as file:
        listed = json.load(file)
    checked, wrong = 0, []
    for item in listed.values():
        venue = str(item.get("exchange_id", "")).lower()
        if item["class"] not in ("FUTURE", "OPTION", "FUTURE_OPTION") or item.get("expired") or venue not in VENUES:
            continue
        hours = item["trading_time"]
        theirs = [(minutes(a), minutes(b)) for part in ("night", "day") for a, b in hours.get(part, [])]
        checked += 1
        if ours(calendar, venue, item["ins_id"], "20200616") != theirs:
            wrong.append((item["ins_id"], theirs))
    assert wrong == []
    assert checked > 5_000


def test_wondertraders_sessions_are_ours_but_for_four_of_its_products(calendar: MarketCalendar, fixtures: Path) -> None:
    templates = gbk(fixtures / "ctp/reference/wt_sessions.json")
    wrong = set()
    for exchange, products in gbk(fixtures / "ctp/reference/wt_commodities.json").items():
        for product, item in products.items():
            theirs: Sections = []
            for section in templates[item["session"]]["sections"]:
                opens, closes = (value // 100 * 60 + value % 100 for value in (section["from"], section["to"]))
                theirs.append((opens, closes if closes > opens else closes + 1440))
            if ours(calendar, exchange.lower(), f"{product}2205", "20220302") != theirs:
                wrong.add((exchange.lower(), product))
    assert wrong == WRONG_AT_WONDERTRADER


def dated(book: dict[str, Any], contract: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    times = contract["marketTimes"]
    for entry in book["marketTimeTemplates"][times] if isinstance(times, str) else times:
        yield entry["beginDate"], entry["endDate"], entry["timeFrames"]


@pytest.mark.parametrize("product", ["ru", "ag", "cu", "rb", "bu", "m", "y", "pp", "jd", "SR", "TA", "IF"])
def test_java_traders_dated_table_is_ours_day_by_day(calendar: MarketCalendar, fixtures: Path, product: str) -> None:
    book = json.loads((fixtures / "ctp/reference/jt_exchangeContracts.json").read_text(encoding="utf-8"))
    late = {(item["exchange"], item["tradingDay"]) for item in book["specialTimeFrames"]}
    contract = next(item for item in book["contracts"] if product in item["commodity"])
    venue = contract["exchange"]
    ranges = list(dated(book, contract))
    checked = 0
    day = date(2017, 1, 4)
    while day <= date(2021, 6, 30):
        day += timedelta(days=1)
        text = day_text(day)
        frames = next((f for first, last, f in reversed(ranges) if first <= day.isoformat() <= last), None)
        if frames is None or not calendar.days.is_trading_day(day) or (venue, text) in late:
            continue
        theirs: Sections = []
        for frame in frames:
            for part in book["marketTimeFrames"][frame].split(","):
                night = part.startswith("LTD:")
                opens, closes = (minutes(end) for end in part.removeprefix("LTD:").split("-"))
                if not night or calendar.days.night_before(day) is not None:
                    theirs.append((opens, closes if closes > opens else closes + 1440))
        checked += 1
        assert ours(calendar, venue, f"{product}2105", text) == theirs, text
    assert checked > 900


@pytest.mark.parametrize(
    ("venue", "day", "opens"),
    [("shfe", "20191226", 1350), ("czce", "20190902", 540), ("czce", "20191202", 540), ("dce", "20190902", 1260)],
)
def test_a_night_that_was_late_or_cancelled_at_one_venue(
    calendar: MarketCalendar, venue: str, day: str, opens: int
) -> None:
    symbol = {"shfe": "ru2005", "czce": "SR005", "dce": "m2005"}[venue]
    assert ours(calendar, venue, symbol, day)[0][0] == opens


def test_wondertraders_holidays_are_the_weekdays_we_are_closed(calendar: MarketCalendar, fixtures: Path) -> None:
    holidays = set(gbk(fixtures / "ctp/reference/wt_holidays.json")["CHINA"])
    day, wrong = date(2009, 1, 1), []
    while day.year < 2022:
        if day.weekday() < 5 and calendar.days.is_trading_day(day) == (day_text(day) in holidays):
            wrong.append(day_text(day))
        day += timedelta(days=1)
    assert wrong == []


def test_every_product_of_a_front_of_2025_is_known(calendar: MarketCalendar, fixtures: Path) -> None:
    import csv  # noqa: PLC0415
    import gzip  # noqa: PLC0415

    with gzip.open(fixtures / "ctp/reference/ctp_instruments_20250813.csv.gz", "rt", encoding="utf-8") as text:
        listed = [row for row in csv.DictReader(text) if row["ProductClass"] in ("1", "2")]
    unknown = {
        (row["ExchangeID"], row["ProductID"])
        for row in listed
        if product_of(row["InstrumentID"]).lower() not in PRODUCTS[row["ExchangeID"].lower()]
    }
    assert unknown == set()
    assert len(listed) > 15_000


def test_what_an_exchange_has_of_its_own_stands_in_its_row() -> None:
    assert [venue for venue in EXCHANGES if has_derived_turnover(venue)] == ["czce"]
    assert [venue for venue in EXCHANGES if has_action_day_of_session(venue)] == ["dce"]
    assert not has_derived_turnover("elsewhere")
    assert not has_action_day_of_session("elsewhere")
