"""Numbers of text tables that Arrow reads as what their kind has are the ones that were read as text and made into it."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism_adapters.imports import archive_files
from marketprism_adapters.imports.columns import canonical
from marketprism_adapters.imports.containers import packed
from marketprism_adapters.imports.csv_tables import TextTable
from marketprism_adapters.imports.layout import Layout
from marketprism_adapters.imports.registry import open_rows_file
from marketprism_application.errors import SourceError
from marketprism_application.ports.imports import FileHints
from tests.support.import_files import MINUTE, zipped

_FIRST = 1_704_067_200_000
_ODD = ("61.12345678901234567890", "1e3", "1E-7", "+7.5", ".5", "7.", " 8.25 ", "nan", "", "0.1e1", "-3", "1" * 20)


def _lines(cells: list[str], count: int, at: int) -> list[str]:
    """Klines, those cells in one of them."""
    lines = []
    for n in range(count):
        opened = _FIRST + n * MINUTE
        numbers = [f"{60_000 + n % 97}.{n % 100:02d}" for _ in range(5)]
        if n == at:
            numbers = [(cells * 5)[each] for each in range(5)]
        lines.append(f"{opened},{','.join(numbers)},{opened + 59_999},{n}.125,17,0.5,0,0")
    return lines


def _read(table: TextTable, layout: Layout, *, as_text: bool) -> pa.Table:
    wanted = set(layout.fields.values())
    if as_text:
        types = {layout.fields["ts_open"]: pa.int64()}
        batches = table.typed(layout, wanted, types, 1 << 22)
    else:
        batches = table.batches(layout, wanted, few=True)
    row, made = 1, []
    for batch in batches:
        made.append(canonical(batch, layout, row, "UTC"))
        row += batch.num_rows
    return pa.Table.from_batches(made).combine_chunks()


def _table(folder: Path, lines: list[str]) -> tuple[TextTable, Layout]:
    text = "\n".join(lines) + "\n"
    table = TextTable.of(packed(zipped(folder / "k.zip", "BTCUSDT-1m-2024-01.csv", text)))
    layout = archive_files.recognise(table.sample)
    assert layout is not None
    return table, layout


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(_ODD),
            st.decimals(Decimal("-1e15"), Decimal("1e15"), allow_nan=False, places=12).map(str),
            st.floats(1e-9, 1e12).map(repr),
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 40),
)
def test_a_table_with_numbers_of_any_form_is_the_one_that_was_read_as_text(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], at: int
) -> None:
    table, layout = _table(tmp_path_factory.mktemp("cells"), _lines(cells, 41, at))
    try:
        expected = _read(table, layout, as_text=True)
    except (pa.ArrowInvalid, ValueError) as error:
        with pytest.raises(type(error)):
            _read(table, layout, as_text=False)
        return
    assert _read(table, layout, as_text=False).equals(expected)


@pytest.mark.parametrize("odd", _ODD[:8])
def test_what_is_no_plain_number_in_a_later_block_changes_no_row_before_it_and_doubles_none(
    odd: str, tmp_path: Path
) -> None:
    at = random.Random(odd).randrange(3_000, 6_000)  # a block has some 1 400 rows
    table, layout = _table(tmp_path, _lines([odd], 6_000, at))
    found = _read(table, layout, as_text=False)
    assert found.num_rows == 6_000
    assert found.equals(_read(table, layout, as_text=True))
    assert found.column("row").to_pylist() == list(range(1, 6_001))


def test_numbers_come_exact_and_typed(tmp_path: Path) -> None:
    """So that no column is made of text first."""
    table, layout = _table(tmp_path, _lines(["0.000000000000000001"], 3, 1))
    (batch,) = table.batches(layout, set(layout.fields.values()))
    assert batch.column("high").to_pylist()[1] == Decimal("0.000000000000000001")
    assert [str(batch.schema.field(name).type) for name in ("open_time", "high", "count")] == [
        "int64",
        "decimal128(38, 18)",
        "int64",
    ]


def test_a_row_of_other_cells_in_a_later_block_is_named(tmp_path: Path) -> None:
    lines = _lines(["1.5"], 6_000, 5)
    lines[5_000] = "1,2,3"
    table, layout = _table(tmp_path, lines)
    with pytest.raises(SourceError, match="row 5001: expected 12 cells, was 3"):
        _read(table, layout, as_text=False)


def test_seconds_with_a_fraction_are_read_to_the_nanosecond(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    rows = ["1700000000.25,7,buy,0.5,36500", "1700000001.123456789,8,sell,0.5,36501", "1700000002,9,buy,1,1"]
    path.write_text("\n".join(["timestamp,id,side,amount,price", *rows, ""]), encoding="utf-8")
    file = open_rows_file(path, FileHints("binance", "BTC-USDT"))
    (series,) = file.facts.series
    table = pa.Table.from_batches(list(file.batches(series)))
    assert table.column("ts_event").to_pylist() == [
        1_700_000_000_250_000_000,
        1_700_000_001_123_456_789,
        1_700_000_002_000_000_000,
    ]
    path.write_text(
        "\n".join(["timestamp,id,side,amount,price", *rows, "1700000002.x,9,buy,1,1", ""]), encoding="utf-8"
    )
    with pytest.raises(SourceError, match=r"row 5: ts_event: expected a number or a time, was '1700000002\.x'"):
        pa.Table.from_batches(list(open_rows_file(path, FileHints("binance", "BTC-USDT")).batches(series)))


_VNPY = "symbol,exchange,datetime,open,high,low,close,volume,turnover,open_interest"


def test_an_instrument_that_is_written_in_two_ways_is_one_series(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    rows = [f"rb2405,{'SHFE' if n % 2 else 'shfe'},2024-01-05 09:0{n}:00,1,2,1,2,{n},5,7" for n in range(6)]
    path.write_text("\n".join([_VNPY, *rows, "cu2405,SHFE,2024-01-05 09:00:00,1,2,1,2,9,5,7", ""]), encoding="utf-8")
    file = open_rows_file(path, FileHints())
    assert [(each.symbol, each.interval) for each in file.facts.series] == [("rb2405", "1m"), ("cu2405", "")]
    both, other = (pa.Table.from_batches(list(file.batches(each))) for each in file.facts.series)
    assert both.column("volume").to_pylist() == [*map(Decimal, range(6))]
    assert both.column("row").to_pylist() == [2, 3, 4, 5, 6, 7]
    assert other.column("row").to_pylist() == [8]


def test_a_table_without_rows_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(_VNPY + "\n", encoding="utf-8")
    with pytest.raises(SourceError, match="expected rows, it has none"):
        open_rows_file(path, FileHints())
