"""One field of one row spoiled, of any reader: that row alone is refused, and named."""

from __future__ import annotations

import asyncio
import gzip
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism_adapters.counters.depth.fields import BadField
from marketprism_adapters.counters.depth.messages import Skipped
from marketprism_adapters.counters.depth.reader import DepthReader
from marketprism_adapters.counters.recordings.formats import CFFEX_COLUMNS, CTP_COLUMNS
from marketprism_adapters.counters.recordings.reader import Checked, Recording
from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_adapters.sources.registry import make_source, parse_source
from marketprism_application.errors import SourceError
from marketprism_application.replay.rebuild import Rebuilt, rebuild
from marketprism_domain.bars.state import BarSettings
from marketprism_domain.errors import InvalidValue
from marketprism_domain.events.pipeline import FrameRefused
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules

DBL_MAX = "1.7976931348623157e+308"
ROWS = 8
# Cells that are no value of any column: no number, no day, no time, no code, no exchange.
NONSENSE = ["?", "nan?", "--", "1.2.3", "\x00", "１２", "0x10", "\udcff\udcfe", "1" * 25 + "?", "#N/A", "价", "1 2"]
NO_NUMBER = ["nan", "NaN", "inf", "-Infinity", "1" * 25, "-1e25", "1e-30", "0.1234567890123456789", "1e99", "1_000"]


def ctp_row(number: int) -> dict[str, str]:
    row = dict.fromkeys(CTP_COLUMNS, DBL_MAX) | {c: "0" for c in CTP_COLUMNS if c.startswith(("BidVol", "AskVol"))}
    return row | {
        "TradingDay": "20250304",
        "ActionDay": "20250304",
        "InstrumentID": "rb2505",
        "ExchangeID": "SHFE",
        "LastPrice": str(3300 + number),
        "Volume": str(10 + number),
        "Turnover": str(33000 * (10 + number)),
        "OpenInterest": "1000",
        "UpdateTime": f"09:00:{number:02}",
        "UpdateMillisec": "500",
        "BidPrice1": "3299",
        "BidVolume1": "3",
        "AskPrice1": "3301",
        "AskVolume1": "4",
    }


def cffex_row(number: int) -> dict[str, str]:
    row = dict.fromkeys(CFFEX_COLUMNS, "0.0")
    return row | {
        "exchg": "CFFEX",
        "code": "IF2101",
        "price": str(5200 + number),
        "total_volume": str(10 + number),
        "trading_date": "20210104",
        "action_date": "20210104",
        "action_time": f"9300{number:01}500",
        "bid_price1": "5199",
        "bid_qty1": "1",
        "ask_price1": "5201",
        "ask_qty1": "2",
    }


FORMS = {"CTP depth": (CTP_COLUMNS, ctp_row), "CFFEX dump": (CFFEX_COLUMNS, cffex_row)}


def save(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]], ending: str = "\n") -> Path:
    text = ending.join([",".join(columns), *(",".join(row.get(c, "") for c in columns) for row in rows)]) + ending
    path.write_bytes(text.encode(errors="surrogateescape"))
    return path


def spoiled(column: str, text: str) -> bool:
    """Whether a text is certainly no value of a column."""
    numeric = column not in ("TradingDay", "ActionDay", "InstrumentID", "ExchangeID", "UpdateTime", "exchg", "code")
    numeric = numeric and column not in ("trading_date", "action_date", "action_time")
    return text in NONSENSE or (numeric and text in NO_NUMBER)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(st.data())
def test_only_the_spoiled_row_of_a_recording_is_refused_and_its_name_is_told(
    form: str, tmp_path_factory: pytest.TempPathFactory, calendar: MarketCalendar, data: st.DataObject
) -> None:
    columns, make = FORMS[form]
    rows = [make(number) for number in range(ROWS)]
    folder = tmp_path_factory.getbasetemp()
    clean = list(Recording(save(folder / "x.csv", columns, rows), calendar).rows())
    number = data.draw(st.integers(0, ROWS - 1))
    column = data.draw(st.sampled_from(columns))
    text = data.draw(st.sampled_from([*NONSENSE, *NO_NUMBER, '"', '"x', 'a"b', "", "24:00:00", "99999999", "-5"]))
    rows[number] = rows[number] | {column: text}
    recording = Recording(save(folder / "x.csv", columns, rows), calendar)
    found = list(recording.rows())
    others = [tick for tick in clean if tick.source_seq != number + 1]
    assert [tick for tick in found if tick.source_seq != number + 1] == others
    assert len(found) + len(recording.refused) == ROWS
    assert sum(recording.skipped.values()) == len(recording.refused)
    if recording.refused:
        assert recording.refused[0].startswith(f"row {number + 1}: ")
    if spoiled(column, text) and not _unread(form, rows[number], column):
        assert recording.refused, (column, text)
        word = "symbol:" if f"{column}:" not in recording.refused[0] and column in ("InstrumentID", "code") else column
        assert word in recording.refused[0], recording.refused


def _unread(form: str, row: dict[str, str], column: str) -> bool:
    """A day that is not looked at where the other one tells."""
    return column in ("TradingDay", "trading_date") and form in FORMS and bool(row)


@settings(deadline=None)
@given(
    column=st.sampled_from(CTP_COLUMNS),
    value=st.one_of(
        st.floats(),
        st.integers(),
        st.none(),
        st.text(max_size=12),
        st.sampled_from([*NONSENSE, *NO_NUMBER, 2**31 - 1]),
    ),
)
def test_a_spoiled_live_message_is_a_tick_or_refused_by_a_name(
    calendar: MarketCalendar, column: str, value: object
) -> None:
    texts = {"TradingDay", "ActionDay", "InstrumentID", "ExchangeID", "UpdateTime"}
    row: dict[str, object] = {
        name: text if name in texts else float(text) if "Volume" not in name else int(text)
        for name, text in ctp_row(3).items()
    }
    try:
        found = DepthReader(calendar, "ctp").tick(
            row | {"UpdateMillisec": 500, column: value}, 1, 1_741_050_000 * 10**9
        )
    except (BadField, InvalidValue):
        return
    assert isinstance(found, Tick | Skipped)


@pytest.mark.parametrize("volume", [2**31 - 1, -(2**31), float("nan"), float(DBL_MAX)])
def test_an_amount_that_says_no_value_is_none(calendar: MarketCalendar, volume: float) -> None:
    row = dict.fromkeys(CTP_COLUMNS, 0) | ctp_row(1) | {"Volume": volume, "BidVolume1": volume}
    tick = DepthReader(calendar, "ctp").tick(row, 1)
    assert isinstance(tick, Tick)
    assert (tick.volume, tick.bids, len(tick.asks)) == (None, (), 1)


def test_files_as_people_have_them_are_read(tmp_path: Path, calendar: MarketCalendar) -> None:
    rows = [ctp_row(number) for number in range(ROWS)]
    clean = [
        tick._replace(source="") for tick in Recording(save(tmp_path / "x.csv", CTP_COLUMNS, rows), calendar).rows()
    ]
    whole = (tmp_path / "x.csv").read_bytes()
    needed = ("TradingDay", "ActionDay", "InstrumentID", "LastPrice", "Volume", "UpdateTime", "UpdateMillisec")
    named = save(tmp_path / "y.csv", ("名称", *CTP_COLUMNS), [row | {"名称": "螺纹钢"} for row in rows]).read_text(
        "utf-8"
    )
    forms = {
        "bom": b"\xef\xbb\xbf" + whole,
        "crlf": whole.replace(b"\n", b"\r\n"),
        "utf16": whole.decode().encode("utf-16"),
        "tabs": whole.replace(b",", b"\t"),
        "semicolons": whole.replace(b",", b";"),
        "gbk": named.encode("gbk"),
        "blank lines": whole.replace(b"\n", b"\n\n", 3) + b"\n\n",
        "quoted": whole.replace(b"rb2505", b'"rb2505"'),
        "no end": whole.rstrip(b"\n"),
    }
    for name, content in forms.items():
        (tmp_path / f"{name}.csv").write_bytes(content)
        recording = Recording(tmp_path / f"{name}.csv", calendar)
        found = [tick._replace(source="", source_seq=n) for n, tick in enumerate(recording.rows(), 1)]
        assert (found, recording.skipped) == (clean, {}), name
    few = Recording(save(tmp_path / "few.csv", needed, rows), calendar)
    assert [(tick.last, tick.volume, tick.turnover, tick.bids) for tick in few.rows()] == [
        (tick.last, tick.volume, None, ()) for tick in clean
    ]


def broken_off(folder: Path) -> Path:
    content = save(folder / "x.csv", CTP_COLUMNS, [ctp_row(number) for number in range(60)]).read_bytes()
    (folder / "half.csv").write_bytes(content[:-150])
    (folder / "cut.csv.gz").write_bytes(gzip.compress(content)[:-30])
    return folder / "cut.csv.gz"


def test_of_a_file_that_breaks_off_the_half_row_is_refused_and_a_half_archive_says_what_helps(
    tmp_path: Path, calendar: MarketCalendar
) -> None:
    cut = broken_off(tmp_path)
    half = Recording(tmp_path / "half.csv", calendar)
    assert (len(list(half.rows())), half.skipped) == (59, {"refused_row": 1})
    assert half.refused[0].startswith(f"row 60: expected {len(CTP_COLUMNS)} columns, was ")
    with pytest.raises(SourceError, match="partial=yes"):
        Checked(Recording(cut, calendar))


async def test_a_file_that_breaks_off_is_read_as_far_as_it_is_whole_where_that_is_wanted(
    tmp_path: Path, calendar: MarketCalendar
) -> None:
    text = f"replay:{await asyncio.to_thread(broken_off, tmp_path)},partial=yes"
    source = await asyncio.to_thread(lambda: make_source(parse_source(text), calendar, speed=None))
    assert isinstance(source, ReplaySource)
    await source.connect()
    batches = [batch async for batch in source.stream({})]
    assert 40 < sum(len(batch.ticks) for batch in batches) < 60
    assert source.skipped["rest_unreadable"] == 1
    assert [gap.cause for batch in batches for _, gap in batch.gaps] == ["recording_end"]
    told = [event for batch in batches for event in batch.events]
    assert [(type(event), event.reason, event.frames) for event in told][-1] == (FrameRefused, "rest_unreadable", 1)


async def test_terms_of_a_recording_are_those_of_the_table(tmp_path: Path, calendar: MarketCalendar) -> None:
    rows = [
        ctp_row(1),
        ctp_row(2) | {"InstrumentID": "SPD SR509&SR511", "ExchangeID": ""},
        ctp_row(3) | {"InstrumentID": "10004567", "ExchangeID": "SSE"},
    ]
    path = await asyncio.to_thread(save, tmp_path / "x.csv", CTP_COLUMNS, rows)
    source = ReplaySource([path], calendar)
    await source.connect()
    assert [(each.product, each.class_, each.multiplier, each.price_tick) for each in await source.instruments()] == [
        ("rb", "future", Decimal(10), Decimal(1)),
        ("SR", "combination", Decimal(10), Decimal(1)),
        ("10004567", "option", None, None),
    ]


def whole_row(number: int) -> dict[str, str]:
    """A row with all that a counter sends in the day; prices rise."""
    last = 3300 + number
    prices = {
        "LastPrice": last,
        "OpenPrice": 3300,
        "HighestPrice": last,
        "LowestPrice": 3300,
        "PreSettlementPrice": 3290,
    }
    prices |= {"PreClosePrice": 3289, "PreOpenInterest": 900, "AveragePrice": 33000}
    return ctp_row(number) | {name: str(value) for name, value in prices.items()}


def bars_of(path: Path, calendar: MarketCalendar) -> tuple[list[Bar], Rebuilt, ReplaySource]:
    source = ReplaySource([path], calendar)

    async def made() -> Rebuilt:
        await source.connect()
        return await rebuild(source.stream({}), calendar, bars=BarSettings(("1m",)), rules=ValidationRules())

    result = asyncio.run(made())
    return (
        [bar._replace(source="", ts_recv=0, ts_pub=0, ticks=0, open_interest=None) for bar in result.bars],
        result,
        source,
    )


PRICES = (
    "LastPrice",
    "OpenPrice",
    "HighestPrice",
    "LowestPrice",
    "BidPrice1",
    "AskPrice1",
    "UpperLimitPrice",
    "ClosePrice",
)
PRICES = (*PRICES, "LowerLimitPrice", "PreSettlementPrice", "PreClosePrice", "SettlementPrice")


@pytest.mark.parametrize("column", [*PRICES, "OpenInterest", "PreOpenInterest", "AveragePrice"])
def test_less_than_nothing_is_refused_by_its_column(tmp_path: Path, calendar: MarketCalendar, column: str) -> None:
    rows = [whole_row(number) for number in range(ROWS)]
    rows[3] |= {column: "-1"}
    recording = Recording(save(tmp_path / "x.csv", CTP_COLUMNS, rows), calendar)
    assert len(list(recording.rows())) == ROWS - 1
    assert re.fullmatch(rf"row 4: column {column}: expected (a price of )?0 or more, was '-1'", recording.refused[0])


@pytest.mark.parametrize("form", ["price", "settle_price", "low", "open_interest", "bid_price1"])
def test_less_than_nothing_is_refused_in_a_dump_too(tmp_path: Path, calendar: MarketCalendar, form: str) -> None:
    rows = [cffex_row(number) for number in range(ROWS)]
    rows[3] |= {form: "-1"}
    recording = Recording(save(tmp_path / "x.csv", CFFEX_COLUMNS, rows), calendar)
    assert len(list(recording.rows())) == ROWS - 1
    assert recording.refused[0].startswith(f"row 4: column {form}: expected ")


def test_of_a_difference_less_than_nothing_is_a_price(tmp_path: Path, calendar: MarketCalendar) -> None:
    code = {"InstrumentID": "SP m2505&m2509", "ExchangeID": "DCE"}
    prices = dict.fromkeys(("LastPrice", "OpenPrice", "HighestPrice", "LowestPrice", "BidPrice1", "AveragePrice"), "-1")
    rows = [ctp_row(number) | code | prices | {"AskPrice1": "0"} for number in range(ROWS)]
    found = list(Recording(save(tmp_path / "x.csv", CTP_COLUMNS, rows), calendar).rows())
    assert {tick.last for tick in found} == {Decimal(-1)}
    assert {(tick.bids[0].price, tick.asks[0].price) for tick in found} == {(Decimal(-1), Decimal(0))}


WRONG = [
    ("Volume", "999999999"),
    ("Volume", "2147483646"),
    ("Turnover", "9e15"),
    ("HighestPrice", "99999"),
    ("LowestPrice", "1"),
    ("OpenPrice", "99999"),
    ("LastPrice", "1"),
    ("LastPrice", "99999"),
    ("Volume", "-1"),
    ("Volume", "0"),
    ("Turnover", "0"),
    ("UpdateTime", "10:00:00"),
    ("ActionDay", "20250305"),
    ("Volume", ""),
]


@pytest.mark.parametrize(("column", "text"), WRONG)
@pytest.mark.parametrize("number", [2, ROWS - 2])
@pytest.mark.parametrize("limits", [False, True])
def test_a_plausible_number_that_is_wrong_spoils_its_row_and_no_other(
    tmp_path: Path, calendar: MarketCalendar, column: str, text: str, number: int, *, limits: bool
) -> None:
    given = {"UpperLimitPrice": "3600", "LowerLimitPrice": "3000"} if limits else {}
    rows = [whole_row(n) | given for n in range(ROWS)]
    right, _, _ = bars_of(save(tmp_path / "right.csv", CTP_COLUMNS, rows[:number] + rows[number + 1 :]), calendar)
    rows[number] |= {column: text}
    found, made, source = bars_of(save(tmp_path / "x.csv", CTP_COLUMNS, rows), calendar)
    assert found == right
    assert sum(source.skipped.values()) + sum(made.rejected.values()) == 1, (source.skipped, made.rejected)
