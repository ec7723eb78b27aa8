"""RowsFile: what every format of files gives, whatever packs it and whatever it is called."""

from __future__ import annotations

import gzip
import lzma
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from marketprism_adapters.imports.registry import FORMATS, open_rows_file
from marketprism_adapters.memory.rows_file import MemoryRowsFile
from marketprism_application.errors import SourceError
from marketprism_application.ports.imports import ROWS, FileHints, FileSeries, RowsFile
from tests.support.import_files import (
    MINUTE,
    T0,
    aggregated,
    aggregated_of_contracts,
    any_parquet,
    chinese_csv,
    freqtrade_feather,
    kline,
    klines_in_us,
    lean,
    metrics,
    nautilus_bars,
    nautilus_quotes,
    nautilus_trades,
    own_parquet,
    own_trades,
    packed_in_xz,
    rates,
    single,
    spot_klines,
    tardis_book,
    tardis_quotes,
    tardis_ticker,
    tardis_trades,
    tqsdk,
    usdm_klines,
    vnpy_csv,
    vnpy_sqlite,
    zipped,
)

OURS = FileSeries("bar", "shfe", "rb2405", "1m")
COIN = FileSeries("bar", "binance", "BTC-USDT", "1m", "BTCUSDT")
CASES: dict[str, tuple[Callable[[Path], Path], str, FileSeries]] = {
    "spot klines": (spot_klines, "binance-vision", COIN),
    "klines of contracts": (usdm_klines, "binance-vision", COIN._replace(symbol="BTC-USDT-PERP")),
    "klines in microseconds": (klines_in_us, "binance-vision", COIN),
    "aggregated trades": (aggregated, "binance-vision", COIN._replace(kind="trade", interval="")),
    "aggregated trades of contracts": (
        aggregated_of_contracts,
        "binance-vision",
        COIN._replace(kind="trade", interval="", symbol="BTC-USDT-PERP"),
    ),
    "single trades": (single, "binance-vision", COIN._replace(kind="trade", interval="")),
    "funding rates": (
        rates,
        "binance-vision",
        COIN._replace(kind="funding_rate", interval="", symbol="BTC-USDT-PERP"),
    ),
    "metrics": (metrics, "binance-vision", COIN._replace(kind="open_interest", interval="", symbol="BTC-USDT-PERP")),
    "tardis trades": (tardis_trades, "tardis", FileSeries("trade", "binance", "BTC-USDT-PERP", "", "BTCUSDT")),
    "tardis quotes": (
        tardis_quotes,
        "tardis",
        FileSeries("book_top", "okx", "BTC-USDT-PERP", "", "BTC-USDT-SWAP", in_contracts=True),
    ),
    "tardis books": (tardis_book, "tardis", FileSeries("orderbook", "deribit", "BTC-USD-PERP", "", "BTC-PERPETUAL")),
    "tardis tickers": (tardis_ticker, "tardis", FileSeries("open_interest", "bybit", "BTC-USDT-PERP", "", "BTCUSDT")),
    "vnpy CSV": (vnpy_csv, "vnpy", OURS._replace(native="rb2405")),
    "vnpy SQLite": (vnpy_sqlite, "vnpy", OURS._replace(native="rb2405")),
    "tqsdk": (tqsdk, "tqsdk", OURS._replace(native="SHFE.rb2405")),
    "freqtrade": (freqtrade_feather, "freqtrade", FileSeries("bar", "", "BTC-USDT", "1m")),
    "lean": (lean, "lean", FileSeries("bar", "", "BTC-USDT", "1m", "BTCUSDT")),
    "bars of a catalog": (nautilus_bars, "nautilus", COIN._replace(symbol="BTC-USDT-PERP")),
    "trades of a catalog": (nautilus_trades, "nautilus", COIN._replace(kind="trade", interval="")),
    "quotes of a catalog": (
        nautilus_quotes,
        "nautilus",
        FileSeries("book_top", "okx", "BTC-USDT-PERP", "", "BTC-USDT-SWAP"),
    ),
    "our Parquet": (own_parquet, "marketprism", COIN._replace(native="BTC-USDT")),
    "our CSV of trades": (own_trades, "marketprism", FileSeries("trade", "binance", "BTC-USDT", "", "BTC-USDT")),
    "any Parquet": (any_parquet, "table", FileSeries("bar", "", "BTC-USDT", "1m")),
    "Chinese names": (chinese_csv, "table", OURS),
    "packed in xz": (packed_in_xz, "vnpy", OURS._replace(native="rb2405")),
}


def rows_of(file: RowsFile, series: FileSeries) -> pa.Table:
    return pa.Table.from_batches(list(file.batches(series)), ROWS[series.kind])


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_recognised_by_what_is_in_it(case: str, tmp_path: Path) -> None:
    make, form, series = CASES[case]
    path = make(tmp_path)
    file = open_rows_file(path)
    assert (file.facts.format, file.facts.series) == (form, (series,))
    table = rows_of(file, series)
    assert table.num_rows == 3
    first = 2 if file.facts.mapping[0].column in _lines(path) else 1
    by_time = [2, 3, 1] if "SQLite" in case else [first, first + 1, first + 2]  # a database has ids
    assert table.column("row").to_pylist() == by_time
    assert file.faults() == ()
    time = "ts_open" if series.kind == "bar" else "ts_event"
    ts = table.column(time).to_pylist()
    assert ts == sorted(ts)
    if series.kind == "bar":
        begin = T0 * 10**6 if series.venue != "shfe" else 1_704_157_200 * 10**9
        assert ts == [begin + n * 60 * 10**9 for n in range(3)]
        if "Chinese" not in case and series.venue != "shfe":
            assert table.column("open").to_pylist()[0] == Decimal("42000.1")
            assert table.column("volume").to_pylist()[2] == Decimal("3.125")
    if series.kind == "trade":
        assert table.column("number").to_pylist() == [900, 901, 902]
        assert set(table.column("side").to_pylist()) == {"sell"}
        assert table.column("price").to_pylist()[0] == Decimal("42000.5")


def _lines(path: Path) -> str:
    """The first line of a file, however it is packed; typed tables count from 2 as tables with a header do."""
    data = path.read_bytes()
    if data.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            data = archive.read(archive.namelist()[0])
    elif data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    elif data.startswith(b"\xfd7z"):
        data = lzma.decompress(data)
    if data[:4] in (b"PAR1", b"ARRO", b"SQLi"):
        return open_rows_file(path).facts.mapping[0].column
    return data.decode("utf-8-sig").splitlines()[0]


def test_every_format_is_tried() -> None:
    assert {form for _, form, _ in CASES.values()} | {"databento"} == {form.name for form in FORMATS}


def test_rows_that_are_in_memory_are_a_file_too(tmp_path: Path) -> None:
    made = open_rows_file(vnpy_csv(tmp_path))
    (series,) = made.facts.series
    table = rows_of(made, series)
    file = MemoryRowsFile(made.facts, {series: table.drop_columns(["row", "turnover"])})
    again = rows_of(file, series)
    assert again.column("row").to_pylist() == [1, 2, 3]
    assert again.column("close").to_pylist() == table.column("close").to_pylist()
    assert again.column("turnover").null_count == 3
    assert (file.facts, file.faults()) == (made.facts, ())


def test_the_unit_of_a_time_is_told_by_its_digits(tmp_path: Path) -> None:
    text = "\n".join([kline(0), kline(1, 1_000), kline(2)]) + "\n"
    file = open_rows_file(zipped(tmp_path / "m.zip", "BTCUSDT-1m-2025-01.csv", text))
    table = rows_of(file, file.facts.series[0])
    assert table.column("digits").to_pylist() == [13, 16, 13]
    assert table.column("ts_open").to_pylist() == [(T0 + n * MINUTE) * 10**6 for n in range(3)]


def test_an_archive_without_its_sum_or_with_another_one_has_a_fault(tmp_path: Path) -> None:
    path = spot_klines(tmp_path)
    beside = path.with_name("x.zip.CHECKSUM")
    beside.write_text("0" * 64 + "  x.zip\n")
    (fault,) = open_rows_file(path).faults()
    assert fault.code == "checksum"
    assert "0" * 64 in fault.text
    beside.unlink()
    assert [each.text for each in open_rows_file(path).faults()] == ["no x.zip.CHECKSUM beside it"]


def test_a_damaged_archive_has_a_fault_and_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "big.zip", "BTCUSDT-1m-2024-01.csv", "\n".join(kline(n) for n in range(20_000)) + "\n")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    file = open_rows_file(path)
    list(file.batches(file.facts.series[0]))
    assert len(file.faults()) == 2  # its sum, and the archive's own
    cut = tmp_path / "rows.csv.gz"
    cut.write_bytes(gzip.compress("\n".join(kline(n) for n in range(40_000)).encode())[:-4000])
    broken = open_rows_file(cut, FileHints("binance", "BTC-USDT"))
    with pytest.raises(SourceError, match="expected a complete file"):
        list(broken.batches(broken.facts.series[0]))


def test_a_wrong_cell_is_named_by_file_row_and_field(tmp_path: Path) -> None:
    path = vnpy_csv(tmp_path)
    path.write_text(path.read_text().replace("3998.0,4001.0,2", "x998.0,4001.0,2"))
    with pytest.raises(SourceError, match=r"rb\.csv, row 3: low: expected a number or a time, was 'x998\.0'"):
        open_rows_file(path)
    path.write_text(path.read_text().replace("x998.0", "3998.0").replace("2024-01-02 09:02:00", "yesterday"))
    with pytest.raises(SourceError, match=r"row 4: ts_open: .*'yesterday'"):
        open_rows_file(path)


def test_a_row_of_other_cells_is_named(tmp_path: Path) -> None:
    path = vnpy_csv(tmp_path)
    path.write_text(path.read_text() + "rb2405,SHFE,2024-01-02 09:03:00,4000\n")
    with pytest.raises(SourceError, match="expected 10 cells, was 4"):
        open_rows_file(path)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "it is empty"),
        ("\n\n", "it has none"),
        ("a,b,c\n1,2,3\n", "expected columns of bars or trades"),
        ("\0\1\2", "expected text"),
    ],
)
def test_what_is_no_table_of_rows_is_refused(text: str, error: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(SourceError, match=error):
        open_rows_file(path)
    with pytest.raises(SourceError, match="expected a file, was none"):
        open_rows_file(tmp_path / "nothing.csv")
    with pytest.raises(SourceError, match="expected a file, was a folder"):
        open_rows_file(tmp_path)


def test_what_chinese_programs_write_is_read(tmp_path: Path) -> None:
    path = chinese_csv(tmp_path)
    path.write_bytes(path.read_text(encoding="utf-8-sig").encode("gb18030"))
    file = open_rows_file(path)
    assert rows_of(file, file.facts.series[0]).column("high").to_pylist() == [4003, 4003, 4003]
    path.write_bytes(path.read_bytes().replace(b"4003", b"\xff\xff\xff", 1))
    with pytest.raises(SourceError, match="expected UTF-8 or GB 18030 text"):
        open_rows_file(path)


def test_several_series_of_a_file_are_read_apart(tmp_path: Path) -> None:
    path = vnpy_csv(tmp_path)
    rows = path.read_text().splitlines()
    more = [row.replace("rb2405", "hc2405") for row in rows[1:]]
    path.write_text("\n".join([rows[0], *(line for pair in zip(rows[1:], more, strict=True) for line in pair)]) + "\n")
    file = open_rows_file(path)
    assert {series.symbol for series in file.facts.series} == {"rb2405", "hc2405"}
    assert {series.interval for series in file.facts.series} == {"1m"}
    for series in file.facts.series:
        assert rows_of(file, series).num_rows == 3


def test_columns_of_other_names_are_mapped_by_whoever_knows_them(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("when;a;b;c;d;n\n" + "\n".join(f"{T0 + n * MINUTE};1;3;0.5;2;7" for n in range(3)) + "\n")
    with pytest.raises(SourceError, match="--map"):
        open_rows_file(path)
    columns = {"time": "when", "open": "a", "high": "b", "low": "c", "close": "d", "volume": "n"}
    file = open_rows_file(path, FileHints("okx", "BTC-USDT", columns=columns))
    assert file.facts.series == (FileSeries("bar", "okx", "BTC-USDT", "1m"),)
    assert rows_of(file, file.facts.series[0]).column("low").to_pylist()[0] == Decimal("0.5")
    with pytest.raises(SourceError, match="--map low=cc: expected one of"):
        open_rows_file(path, FileHints("okx", "BTC-USDT", columns=columns | {"low": "cc"}))
