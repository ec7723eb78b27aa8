"""Numbers with more places than Arrow scales by: it reads them as nothing, or ends the process."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from marketprism_adapters.imports.registry import open_rows_file
from marketprism_application.integrity.exact_numbers import exact_numbers
from marketprism_application.integrity.fine_numbers import as_decimals, check_fineness
from marketprism_application.ports.imports import DECIMAL, FileHints

TOO_FINE = ["1e-57", "5E-324", "1e-999999", "5e-32420104", "0." + "0" * 60 + "1", "0." + "0" * 19 + "1e-9", "1e-020"]
FINE = [
    "1e-05",
    "1.234567890123456e-02",
    "0.000000000000000001",
    "42000.10000000",
    "-3E-8",
    "RE-2505",
    "1e3",
    "the-e-20",
]


@pytest.mark.parametrize("cell", TOO_FINE)
def test_arrow_is_not_asked_for_them(cell: str) -> None:
    texts = pa.array(["1.5", None, cell])
    for column in (texts, texts.cast(pa.large_string()), texts.cast(pa.string_view()), texts.dictionary_encode()):
        with pytest.raises(pa.ArrowInvalid):
            as_decimals(column, DECIMAL)
        with pytest.raises(pa.ArrowInvalid):
            exact_numbers(column.slice(2))
    with pytest.raises(pa.ArrowInvalid):
        check_fineness(f"time,price\n1,42000.1\n2,{cell}\n3,7\n".encode())


def test_others_are_read_as_before() -> None:
    numbers = [cell for cell in FINE if not cell.startswith(("RE", "the"))]
    texts = pa.array([*numbers, None])
    for column in (texts, texts.cast(pa.large_string()), texts.cast(pa.string_view()), texts.dictionary_encode()):
        assert as_decimals(column, DECIMAL).to_pylist() == [*map(Decimal, numbers), None]
    check_fineness("\n".join(FINE).encode())


@pytest.mark.parametrize("cell", TOO_FINE)
def test_a_file_with_one_is_read_as_doubles_are(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "BTC-USDT.csv.gz"
    rows = [f"2025-03-03 09:0{n}:00,5,5,{cell if n == 3 else 1.25},5,10.5" for n in range(5)]
    path.write_bytes(gzip.compress("\n".join(["time,open,high,low,close,volume", *rows]).encode()))
    file = open_rows_file(path, FileHints("binance", "BTC-USDT", "1m", "UTC"))
    (series,) = file.facts.series
    table = pa.Table.from_batches(file.batches(series))
    assert table.column("low").to_pylist() == [
        *[Decimal("1.25")] * 3,
        Decimal(0).quantize(Decimal("1e-18")),
        Decimal("1.25"),
    ]
    assert table.column("volume").to_pylist() == [Decimal("10.5")] * 5
