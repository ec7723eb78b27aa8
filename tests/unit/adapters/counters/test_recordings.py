"""Recordings: what is read from them, and what bad ones get."""

from __future__ import annotations

import gzip
import re
from decimal import Decimal
from pathlib import Path

import pytest

from marketprism_adapters.counters.depth.fields import BadField, Clocks, Numbers
from marketprism_adapters.counters.recordings.formats import CTP_COLUMNS
from marketprism_adapters.counters.recordings.reader import Checked, Recording
from marketprism_adapters.counters.recordings.replay import ReplaySource, recording_paths
from marketprism_adapters.sources.registry import make_source, parse_source
from marketprism_application.errors import SourceError
from marketprism_application.replay.pace import Pacer
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.fakes.ticks import at

BASE = {
    "TradingDay": "20250304",
    "InstrumentID": "rb2505",
    "LastPrice": "3300.00",
    "Volume": "10",
    "Turnover": "330000.00",
    "OpenInterest": "1000",
    "UpdateTime": "09:00:01",
    "UpdateMillisec": "500",
    "ActionDay": "20250304",
    "BidPrice1": "3299.00",
    "BidVolume1": "3",
    "AskPrice1": "3301.00",
    "AskVolume1": "4",
}


def write(path: Path, *rows: dict[str, str], columns: tuple[str, ...] = CTP_COLUMNS) -> Path:
    lines = [",".join(columns), *(",".join((BASE | row).get(c, "") for c in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def one(tmp_path: Path, calendar: MarketCalendar, **cells: str) -> Tick:
    (tick,) = Recording(write(tmp_path / "x.csv", cells), calendar).rows()
    return tick


def test_a_row_becomes_an_exact_tick(tmp_path: Path, calendar: MarketCalendar) -> None:
    tick = one(
        tmp_path, calendar, LastPrice="3300.50", UpperLimitPrice="3600.00", LowerLimitPrice="0", SettlementPrice="N/A"
    )
    assert (tick.venue, tick.symbol, tick.source, tick.source_seq) == ("shfe", "rb2505", "replay:x", 1)
    assert (str(tick.last), tick.ts_event) == ("3300.5", at("2025-03-04 09:00:01.5"))
    assert (tick.limit_up, tick.limit_down, tick.settlement, tick.open) == (Decimal(3600), None, None, None)
    assert (len(tick.bids), tick.bids[0].price, tick.asks[0].quantity) == (1, 3299, 4)


@pytest.mark.parametrize("huge", ["1.7976931348623157e+308", "179769313486231570000000000000000.00", "N/A", ""])
def test_no_value_is_none_in_every_column(tmp_path: Path, calendar: MarketCalendar, huge: str) -> None:
    tick = one(
        tmp_path,
        calendar,
        LastPrice=huge,
        UpperLimitPrice=huge,
        Turnover=huge,
        OpenInterest=huge,
        AskPrice1=huge,
        AveragePrice=huge,
    )
    assert (tick.last, tick.limit_up, tick.turnover, tick.open_interest, tick.asks, tick.average_price) == (
        None,
        None,
        None,
        None,
        (),
        None,
    )


@pytest.mark.parametrize(
    ("cells", "when", "day"),
    [
        ({"UpdateTime": "21:00:01"}, "2025-03-03 21:00:01.5", "20250304"),  # Shanghai's ActionDay is natural …
        (
            {"UpdateTime": "21:00:01", "ActionDay": "20250304", "InstrumentID": "m2505"},
            "2025-03-03 21:00:01.5",
            "20250304",
        ),  # … Dalian's is not
        ({"UpdateTime": "00:30:00", "InstrumentID": "cu2505"}, "2025-03-04 00:30:00.5", "20250304"),
        (
            {"UpdateTime": "21:00:01", "TradingDay": "20250303", "InstrumentID": "SR505"},
            "2025-03-03 21:00:01.5",
            "20250304",
        ),  # Zhengzhou's TradingDay is natural
    ],
)
def test_times_and_trading_days_are_put_right(
    tmp_path: Path, calendar: MarketCalendar, cells: dict[str, str], when: str, day: str
) -> None:
    natural = {"ActionDay": when[:10].replace("-", "")} if "ActionDay" not in cells else {}
    tick = one(tmp_path, calendar, **(cells | natural))
    assert (tick.ts_event, tick.trading_day) == (at(when), day)


def test_a_row_without_a_time_of_day_is_counted_and_passed_over(tmp_path: Path, calendar: MarketCalendar) -> None:
    recording = Recording(write(tmp_path / "x.csv", {"UpdateTime": "99:99:99"}, {}), calendar)
    assert [tick.source_seq for tick in recording.rows()] == [2]
    assert recording.skipped == {"unreadable_time": 1}
    assert recording.refused == ["row 1: column UpdateTime: expected a time of day as HH:MM:SS, was '99:99:99'"]


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ({"LastPrice": "33x0"}, "row 1: column LastPrice: expected a number, was '33x0'"),
        ({"Volume": "1,0"}, "row 1: expected 31 columns"),
        ({"UpdateMillisec": "5000"}, "column UpdateMillisec: expected 0 to 999"),
        ({"ActionDay": "2025-13-04"}, "column ActionDay: expected a date as YYYYMMDD"),
        ({"InstrumentID": "zz9999"}, "column ExchangeID: expected an exchange"),
        ({"BidPrice1": "NaN"}, "column BidPrice1: expected a number, was 'NaN'"),
    ],
)
def test_a_cell_that_is_no_value_of_its_column_names_itself(
    tmp_path: Path, calendar: MarketCalendar, cells: dict[str, str], text: str
) -> None:
    text = text.replace("31 columns", f"{len(CTP_COLUMNS)} columns")
    recording = Recording(write(tmp_path / "x.csv", cells, {"UpdateTime": "09:00:02"}), calendar)
    assert [tick.source_seq for tick in recording.rows()] == [2]
    assert re.search(text, "; ".join(recording.refused))
    assert sum(recording.skipped.values()) == 1
    assert recording.refused[0].startswith("row 1: ")
    with pytest.raises(SourceError, match="expected at least one tick, found none, row 1"):
        Checked(Recording(write(tmp_path / "alone.csv", cells), calendar))


def test_files_that_are_no_recordings(tmp_path: Path, calendar: MarketCalendar) -> None:
    good = write(tmp_path / "good.csv", *({"UpdateTime": f"09:00:{n:02}"} for n in range(60)))
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(good.read_bytes())[:-40])
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00" * 50)
    write(tmp_path / "columns.csv", {}, columns=("TradingDay", "LastPrice"))
    cases = {
        "none.csv": "there is none",
        "cut.csv.gz": "expected a complete gzip file",
        "empty.csv": "the file is empty",
        "bytes.csv": "expected",
        "columns.csv": "missing InstrumentID",
        "good.txt": "ending in .csv",
    }
    for name, text in cases.items():
        with pytest.raises(SourceError, match=text):
            list(Recording(tmp_path / name, calendar).rows())


def test_rows_out_of_time_order_are_refused_and_a_small_step_back_is_not(
    tmp_path: Path, calendar: MarketCalendar
) -> None:
    rows = [{"UpdateTime": t} for t in ("09:10:00", "09:09:30", "09:05:00")]
    assert len(list(Recording(write(tmp_path / "a.csv", *rows[:2]), calendar).rows())) == 2
    recording = Recording(write(tmp_path / "b.csv", *rows), calendar)
    assert [tick.source_seq for tick in recording.rows()] == [1, 2]
    assert recording.refused == ["row 3: expected rows in time order, rb2505 went back by 300.0 s"]


def test_of_a_row_that_runs_ahead_and_the_rows_behind_it_only_that_row_is_refused(
    tmp_path: Path, calendar: MarketCalendar
) -> None:
    times = ("09:00:00", "09:00:01", "14:00:00", "09:00:02", "09:00:03", "11:00:00")
    others = [{"UpdateTime": "09:00:01", "InstrumentID": "m2505"}, {"UpdateTime": "09:00:02", "InstrumentID": "m2505"}]
    rows = [{"UpdateTime": time} for time in times]
    recording = Recording(write(tmp_path / "x.csv", *rows[:3], *others, *rows[3:]), calendar)
    assert [tick.source_seq for tick in recording.rows()] == [1, 2, 4, 5, 6, 7, 8]
    assert recording.refused == ["row 3: expected rows in time order, rb2505 ahead of the next by 17998.0 s"]
    assert recording.skipped == {"row_out_of_order": 1}


async def test_a_row_resent_at_login_is_received_with_the_session(tmp_path: Path, calendar: MarketCalendar) -> None:
    path = write(
        tmp_path / "x.csv",
        {"UpdateTime": "19:22:55", "ActionDay": "20250303"},
        {"UpdateTime": "20:59:00", "ActionDay": "20250303"},
        {"UpdateTime": "21:00:01", "ActionDay": "20250303"},
    )
    source = ReplaySource([path], calendar)
    await source.connect()
    assert source.rows == {"replay:x": 3}
    batches = [batch async for batch in source.stream({})]
    ticks = [tick for batch in batches for tick in batch.ticks]
    assert [tick.ts_recv for tick in ticks[:2]] == [at("2025-03-03 20:59:00.5")] * 2
    assert ticks[0].ts_event == at("2025-03-03 19:22:55.5")
    (gap,) = [gap for batch in batches for _, gap in batch.gaps]
    assert (gap.cause, gap.ts_to) == ("recording_end", at("2025-03-03 23:00:00"))
    assert batches[-1].finished
    assert batches[-1].ts_clock > at("2025-03-03 23:01:00")


async def test_recordings_are_merged_by_time_and_positions_skip(tmp_path: Path, calendar: MarketCalendar) -> None:
    one_file = write(tmp_path / "a.csv", *({"UpdateTime": f"09:00:{n:02}"} for n in range(0, 60, 2)))
    other = write(
        tmp_path / "b.csv", *({"UpdateTime": f"09:00:{n:02}", "InstrumentID": "m2505"} for n in range(1, 60, 2))
    )
    source = ReplaySource([one_file, other], calendar, batch_rows=7)
    await source.connect()
    ticks = [tick async for batch in source.stream({}) for tick in batch.ticks]
    assert [tick.ts_event for tick in ticks] == sorted(tick.ts_event for tick in ticks)
    assert len(ticks) == 60
    rest = [tick async for batch in source.stream({"replay:a": 20, "replay:b": 30}) for tick in batch.ticks]
    assert [tick.source for tick in rest] == ["replay:a"] * 10
    with pytest.raises(SourceError, match="'a' twice"):
        await ReplaySource([one_file, one_file], calendar).connect()


def test_sources_come_from_text(tmp_path: Path, calendar: MarketCalendar) -> None:
    for wrong in ("nope", "replay:", "ctp:x"):
        with pytest.raises(SourceError, match="source"):
            parse_source(wrong)
    for wrong in ("sim:seed=x", "sim:rate=0", "sim:instruments=zz", "sim:faults=nope", "sim:start=1", "sim:x=1"):
        with pytest.raises(SourceError, match="expected"):
            make_source(parse_source(wrong), calendar, speed=None)
    with pytest.raises(SourceError, match="found none"):
        recording_paths(str(tmp_path))
    write(tmp_path / "a.csv", {})
    assert recording_paths(str(tmp_path)) == recording_paths(str(tmp_path / "*.csv")) == [tmp_path / "a.csv"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12485.00", "12485"),
        ("0.0010", "0.001"),
        ("1e3", "1000"),
        ("-5.50", "-5.5"),
        ("0.00", "0"),
        ("1." + "0" * 30, "1"),
        ("12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678"),
        ("1234567890123456789000e-2", "12345678901234567890"),
    ],
)
def test_numbers_become_their_shortest_decimal(text: str, value: str) -> None:
    assert str(Numbers().value(text, "x")) == value


@pytest.mark.parametrize(
    "text", ["abc", "1.2.3", "NaN", "inf", "0x10", " 1", "--1", "1e20", "1e-19", "1." + "0" * 18 + "1"]
)
def test_other_texts_are_no_numbers(text: str) -> None:
    with pytest.raises(BadField):
        Numbers().value(text, "x")


def test_clocks_know_times_of_day_only() -> None:
    assert Clocks().nanos("09:00:01") == 32_401 * 10**9
    for wrong in ("9:00:01", "24:00:00", "09:60:00", "099000", ""):
        assert Clocks().nanos(wrong) is None


def test_the_pace_of_a_replay_skips_silence() -> None:
    now = [0]
    pacer = Pacer(2.0, lambda: now[0])
    assert pacer.wait_s(10**9) == 0
    assert pacer.wait_s(3 * 10**9) == 1.0  # two seconds of event time at double speed
    now[0] = 5 * 10**9
    assert pacer.wait_s(4 * 10**9) == 0  # behind: at once
    assert pacer.wait_s(4000 * 10**9) == 0  # a break
    assert Pacer(None).wait_s(5) == 0
