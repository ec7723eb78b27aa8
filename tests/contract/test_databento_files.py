"""Files of Databento, written by the vendor's library, where it is installed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from marketprism_adapters.imports.registry import open_rows_file
from marketprism_application.errors import SourceError
from marketprism_application.ports.imports import FileSeries

T0 = 1_704_067_200 * 10**9
MINUTE = 60 * 10**9


def head(dbn: Any, schema: str) -> bytes:
    span = SimpleNamespace(start_date=date(2024, 1, 1), end_date=date(2024, 1, 2), symbol="7")
    made = dbn.Metadata(
        dataset="GLBX.MDP3",
        start=T0,
        stype_in=dbn.SType.RAW_SYMBOL,
        stype_out=dbn.SType.INSTRUMENT_ID,
        schema=dbn.Schema.from_str(schema),
        symbols=["ESH4"],
        mappings=[SimpleNamespace(raw_symbol="ESH4", intervals=[span])],
    )
    return bytes(made.encode())


def bars_file(dbn: Any, folder: Path) -> Path:
    rows = [
        dbn.OHLCVMsg(
            33, 1, 7, T0 + n * MINUTE, *(round(price * 10**9) for price in (4800.25, 4801, 4799.5, 4800)), n + 1
        )
        for n in range(3)
    ]
    path = folder / "x.dbn"
    path.write_bytes(head(dbn, "ohlcv-1m") + b"".join(bytes(row) for row in rows))
    return path


def test_bars_plain_and_packed(tmp_path: Path) -> None:
    dbn = pytest.importorskip("databento_dbn", reason="the extra databento is not installed")
    plain = bars_file(dbn, tmp_path)
    packed = tmp_path / "x.dbn.zst"
    with pa.CompressedOutputStream(str(packed), "zstd") as stream:
        stream.write(plain.read_bytes())
    for path in (plain, packed):
        file = open_rows_file(path)
        assert (file.facts.format, file.facts.series) == ("databento", (FileSeries("bar", "", "ESH4", "1m", "ESH4"),))
        table = pa.Table.from_batches(list(file.batches(file.facts.series[0])))
        assert table.column("ts_open").to_pylist() == [T0 + n * MINUTE for n in range(3)]
        assert table.column("open").to_pylist() == [Decimal("4800.25")] * 3
        assert table.column("volume").to_pylist() == [1, 2, 3]


def test_trades_of_one_message_have_ids_of_their_own(tmp_path: Path) -> None:
    dbn = pytest.importorskip("databento_dbn", reason="the extra databento is not installed")
    rows = [
        dbn.TradeMsg(1, 7, T0 + n, 4800 * 10**9, 2 + n, dbn.Action.TRADE, side, 0, T0 + n + 5, sequence=sequence)
        for n, (side, sequence) in enumerate([(dbn.Side.ASK, 5), (dbn.Side.BID, 5), (dbn.Side.BID, 6)])
    ]
    path = tmp_path / "trades.dbn"
    path.write_bytes(head(dbn, "trades") + b"".join(bytes(row) for row in rows))
    file = open_rows_file(path)
    table = pa.Table.from_batches(list(file.batches(file.facts.series[0])))
    assert table.column("trade_id").to_pylist() == ["5", "5.1", "6"]
    assert table.column("side").to_pylist() == ["sell", "buy", "buy"]
    assert table.column("quantity").to_pylist() == [2, 3, 4]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(SourceError, match="it ends within a record"):
        list(open_rows_file(path).batches(file.facts.series[0]))
