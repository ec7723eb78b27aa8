"""An answer computes: floats and times with a zone, exact decimals on request, levels side by side."""

from __future__ import annotations

import random
from decimal import Decimal
from functools import partial
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from marketprism_application.contracts.kinds import BAR, KINDS, ORDERBOOK, TICK, DataKind
from marketprism_application.queries.arrow_tables import DECIMAL, table_of
from marketprism_client import Answer, QueryFailed
from marketprism_client._columns import as_float
from marketprism_client._records import record_of
from marketprism_domain.values import BookLevel
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at

OPENED = at("2018-10-08 21:00:00")
MINUTE = 60 * 10**9
CHINA = "Asia/Shanghai"


def answer(kind: DataKind, rows: list[Any], **more: Any) -> Answer[Any]:
    return Answer(table_of(kind, rows), partial(record_of, kind), time_field=kind.time_field, **({"tz": CHINA} | more))


def bars(
    *closes: str, symbol: str = "ru1901", venue: str = "shfe", interval: str = "1m", day: str = "20181009"
) -> list[Any]:
    return [
        SAMPLES["bar"]._replace(
            venue=venue,
            symbol=symbol,
            interval=interval,
            ts_open=OPENED + n * MINUTE,
            close=Decimal(close),
            trading_day=day,
        )
        for n, close in enumerate(closes)
    ]


def test_a_frame_computes() -> None:
    frame = answer(BAR, bars("12585", "12590.5", "12580")).to_pandas()
    assert (frame["close"] * 1.01).round(2).tolist() == [12710.85, 12716.4, 12705.8]
    assert frame["close"].dtype == frame["volume"].dtype == "float64"
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert (frame.index.name, str(frame.index.tz), str(frame.index.dtype)) == (
        "ts_open",
        CHINA,
        f"datetime64[ns, {CHINA}]",
    )
    assert frame.index[0] == pd.Timestamp("2018-10-08 21:00", tz=CHINA)
    assert frame["close"].resample("5min").last().tolist() == [12580.0]
    assert frame.loc["2018-10-08 21:01"]["close"] == 12590.5


def test_the_zone_is_the_callers() -> None:
    found = answer(BAR, bars("1"), tz="UTC")
    assert str(found.to_pandas().index[0]) == "2018-10-08 13:00:00+00:00"
    assert str(found.to_pandas(tz="America/New_York").index[0]) == "2018-10-08 09:00:00-04:00"
    with pytest.raises(
        QueryFailed, match=r"tz: expected a time zone like UTC, Asia/Shanghai or .*, was 'Mars/Olympus'"
    ):
        found.to_pandas(tz="Mars/Olympus")


def test_decimals_on_request_are_exact_and_have_no_trailing_zeros() -> None:
    found = answer(BAR, bars("12585", "0.000000000000000001", "12590.50"))
    frame = found.to_pandas(decimals=True)
    assert [str(each) for each in frame["close"]] == ["12585", "1E-18", "12590.5"]
    assert found.to_arrow(decimals=True).schema.field("close").type == DECIMAL
    assert found.to_polars(decimals=True)["close"].dtype == pl.Decimal(38, 18)


def test_floats_are_those_of_the_text() -> None:
    draw = random.Random(7)
    texts = [f"{draw.randint(-99_999, 99_999)}.{draw.randint(0, 99_999):05d}" for _ in range(20_000)]
    texts += ["12345678901234567890.123456789012345678", "0.000000000000000001", "0", "9007199254740993"]
    for some in (texts, texts[:100]):
        column = pa.chunked_array([pa.array([*map(Decimal, some), None], DECIMAL), pa.array([Decimal(7)], DECIMAL)])
        assert as_float(column).to_pylist() == [*map(float, some), None, 7.0]
        assert as_float(column.slice(1)).to_pylist() == [*map(float, some[1:]), None, 7.0]
    assert as_float(pa.chunked_array([], DECIMAL)).to_pylist() == []


@pytest.mark.parametrize("last", [0, 2**53, 2**53 + 1, -(2**53) - 1, 10**19, Decimal("0.5"), None])
def test_sums_of_volumes_are_those_of_their_text_too(last: Decimal | int | None) -> None:
    column = pa.chunked_array([pa.array([*(Decimal(n * 7) for n in range(2_000)), last], DECIMAL)])
    assert as_float(column).to_pylist() == [
        *(float(n * 7) for n in range(2_000)),
        None if last is None else float(last),
    ]


def test_few_columns_on_request() -> None:
    found = answer(BAR, bars("1", "2"))
    assert found.to_pandas(fields=["close", "volume"]).columns.tolist() == ["close", "volume"]
    assert found.to_arrow(fields=["close"]).column_names == ["ts_open", "close"]
    assert found.to_polars(fields=["close", "ts_open"]).columns == ["close", "ts_open"]
    assert answer(BAR, bars("1"), fields=["close"]).to_pandas().columns.tolist() == ["close"]
    with pytest.raises(QueryFailed, match=r"fields: expected some of .*was 'closs'; did you mean 'close'"):
        found.to_pandas(fields=["closs"])
    with pytest.raises(QueryFailed, match="fields: "):
        answer(BAR, bars("1"), fields=["bid_price_1"]).to_pandas()


@pytest.mark.parametrize("rows", [0, 3])
def test_books_stand_in_columns(rows: int) -> None:
    levels = [BookLevel(Decimal(f"{100 - n}.5"), Decimal(n + 1)) for n in range(3)]
    ticks = [SAMPLES["tick"]._replace(bids=tuple(levels[:n]), asks=(), last=None) for n in range(rows)]
    frame = answer(TICK, ticks).to_pandas()
    sides = [f"{side}_{word}_{n}" for n in range(1, 6) for side in ("bid", "ask") for word in ("price", "volume")]
    assert [name for name in frame.columns if name.startswith(("bid_", "ask_"))] == sides
    assert all(frame[name].dtype == "float64" for name in (*sides, "last"))
    assert frame["bid_price_1"].dropna().tolist() == [100.5, 100.5][: max(0, rows - 1)]
    assert frame["bid_volume_2"].dropna().tolist() == [2.0][: max(0, rows - 2)]
    step = SAMPLES["orderbook"]._replace(bids=tuple(levels), asks=tuple(levels[:1]))
    deep = answer(ORDERBOOK, [step]).to_pandas(depth=3, fields=["bid_price_3", "ask_volume_1", "ask_volume_2"])
    assert deep.iloc[0].tolist()[:2] == [98.5, 1.0]
    assert pd.isna(deep.iloc[0]["ask_volume_2"])


def test_a_panel_of_closes() -> None:
    rows = bars("1", "2", "3") + bars("10", "20", symbol="rb1901")
    panel = answer(BAR, rows).pivot("close")
    assert panel.columns.tolist() == ["ru1901", "rb1901"]
    assert panel["rb1901"].tolist()[:2] == [10.0, 20.0]
    assert pd.isna(panel["rb1901"].iloc[2])
    assert str(panel.index.tz) == CHINA  # type: ignore[attr-defined]
    with pytest.raises(QueryFailed, match=r"field: expected one of .*was 'nope'"):
        answer(BAR, rows).pivot("nope")


def test_a_panel_of_days_has_trading_days() -> None:
    """A day with a night opens the evening before, one without at nine or half past: one row all the same."""
    (other,) = bars("5", symbol="IF1901", venue="cffex", interval="1d")
    day = [*bars("1", interval="1d"), other._replace(ts_open=OPENED + 12 * 60 * MINUTE)]
    panel = answer(BAR, day).pivot()
    assert panel.shape == (1, 2)
    assert str(panel.index[0]) == "2018-10-09 00:00:00"
    both = bars("1", symbol="BTC-USDT", venue="okx") + bars("2", symbol="BTC-USDT", venue="binance")
    assert answer(BAR, both).pivot().columns.tolist() == ["okx.BTC-USDT", "binance.BTC-USDT"]


@pytest.mark.parametrize("name", list(KINDS))
def test_records_are_what_was_stored(name: str) -> None:
    kind = KINDS[name]
    found = answer(kind, [SAMPLES[name]])
    assert list(found) == [SAMPLES[name]]
    assert type(next(iter(found))) is kind.model
    assert len(found) == found.num_rows == 1
    found.to_pandas()
    found.to_polars()
    assert "<table>" in found._repr_html_()


def test_decimals_of_records_are_as_short_as_can_be() -> None:
    (bar,) = answer(BAR, bars("12380.500"))
    assert str(bar.close) == "12380.5"
    assert str(answer(BAR, bars("0.00000001")).to_pandas(decimals=True)["close"].iloc[0]) == "1E-8"


def test_the_table_is_there_as_it_was_sent() -> None:
    found = answer(BAR, bars("1.5"))
    assert found.table.column("ts_open").to_pylist() == [OPENED]
    assert found.column("close").to_pylist() == [Decimal("1.5")]
    assert found.to_pylist() == found.table.to_pylist()
    assert found.schema == found.table.schema
    assert found.column_names == found.table.column_names
    assert pa.table(found).schema.field("close").type == pa.float64()
    assert pl.DataFrame(found)["close"].to_list() == [1.5]


def test_a_notebook_shows_candles_and_rows() -> None:
    html = answer(BAR, bars("1", "2", "1.5") * 30)._repr_html_()
    assert html.count("<rect") == 90
    assert "90 rows, the newest 10" in html
    assert "2018-10-08 21:00:00" in html
    assert "nan" not in html
    assert "<svg" not in answer(BAR, bars("1") + bars("2", symbol="rb1901"))._repr_html_()
    assert len(repr(answer(BAR, bars("1")))) < 200
