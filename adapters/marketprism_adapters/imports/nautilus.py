"""Files of a NautilusTrader data catalog: bars, trades and quotes in Parquet, known by their metadata.

Prices and sizes are whole numbers in 16 bytes, of 10^-16, or in 8 bytes, of 10^-9, least byte first; a bar bears its
close. `instrument_id` is `BTCUSDT-PERP.BINANCE`, `rb2410.SHFE`: the venue's own name, with what kind of market it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from marketprism_adapters.imports.columns import decimals_of
from marketprism_adapters.imports.containers import Packed, reading
from marketprism_adapters.imports.layout import Layout, Sample, check_names
from marketprism_adapters.imports.market_names import market_of_catalog
from marketprism_application.errors import SourceError
from marketprism_application.integrity.exact_numbers import ArrowArray, ExactNumbers
from marketprism_application.ports.imports import DECIMAL
from marketprism_sdk.errors import reason_of

NAME: Final = "nautilus"
_SAMPLE, _BATCH = 200, 1 << 16
_UNITS = {"SECOND": ("s", 1), "MINUTE": ("m", 60), "HOUR": ("h", 3_600), "DAY": ("d", 0), "WEEK": ("w", 0)}
_SCALES = {8: 9, 16: 16}
_SIDES = ("", "buy", "sell")  # who took; 0 is nobody
_PRICES = ("open", "high", "low", "close", "volume")
_TRADE = {"trade_id": "trade_id", "price": "price", "quantity": "size", "side": "aggressor_side"}
_QUOTE = {"bid_price": "bid_price", "bid_quantity": "bid_size", "ask_price": "ask_price", "ask_quantity": "ask_size"}


class _Bars(NamedTuple):
    """What a bar type says: the instrument, the interval, seconds of a bar, 0 where it is of days."""

    instrument: str
    interval: str
    seconds: int


class CatalogTable(NamedTuple):
    """A file of a catalog, how it is read, and its first rows."""

    file: Packed
    layout: Layout
    seconds: int
    sample: Sample

    @classmethod
    def of(cls, file: Packed) -> CatalogTable | None:
        """The table of a file; None where it is of no catalog.

        Raises:
            SourceError: of a catalog, but neither bars of last prices by time, nor trades, nor quotes, or without rows.
        """
        with reading(file.path):
            try:
                schema = parquet.read_schema(file.path)
            except pa.ArrowException:
                return None  # whoever reads tables says what is wrong with it
        metadata = {
            key.decode(errors="replace"): value.decode(errors="replace")
            for key, value in (schema.metadata or {}).items()
        }
        if not {"ts_event", "ts_init"} <= set(schema.names) or not metadata.keys() & {"bar_type", "instrument_id"}:
            return None
        check_names(f"file {file.path}", schema.names)
        layout, seconds = _layout(file, schema, metadata)
        made = cls(file, layout, seconds, Sample(layout.columns, ()))
        for batch in made.batches(layout, set(layout.columns)):
            head = batch.slice(0, _SAMPLE)
            cells = [[str(cell) for cell in head.column(at).to_pylist()] for at in range(head.num_columns)]
            return made._replace(sample=Sample(layout.columns, tuple(zip(*cells, strict=True)), file.member))
        raise SourceError(f"file {file.path}: expected rows, it has none")

    def batches(
        self,
        layout: Layout,
        wanted: set[str],
        *,
        few: bool = False,  # noqa: ARG002 (its blocks are small)
    ) -> Iterator[pa.RecordBatch]:
        """Columns of the table, block by block: decimals, texts, and times of the begin of bars of less than a day."""
        names = [name for name in layout.columns if name in wanted]
        try:
            with reading(self.file.path):
                for batch in parquet.ParquetFile(self.file.path).iter_batches(_BATCH, columns=names):
                    columns = [self._column(name, batch.column(name)) for name in names]
                    yield pa.RecordBatch.from_arrays(columns, names=names)
        except pa.ArrowException as error:
            raise SourceError(f"file {self.file.path}: expected a whole Parquet file: {reason_of(error)}") from error

    def _column(self, name: str, column: ArrowArray) -> ArrowArray:
        if pa.types.is_fixed_size_binary(column.type):
            return _numbers(column)
        if name == "ts_event":
            return pc.subtract(column.cast(pa.int64()), pa.scalar(self.seconds * 10**9, pa.int64()))
        if name == "aggressor_side":
            return pa.array(_SIDES, pa.string()).take(column.cast(pa.int64()))
        return column.cast(pa.string())


def _layout(file: Packed, schema: pa.Schema, metadata: Mapping[str, str]) -> tuple[Layout, int]:
    """How a file is read, and how many seconds before its time a row begins."""
    names = set(schema.names)
    if set(_PRICES) <= names and "bar_type" in metadata:
        bars = _bars(file, metadata["bar_type"])
        fields = {"ts_open": "ts_event", **{name: name for name in _PRICES}}
        stamped = "open" if bars.seconds else "close"
        return _of(file, schema, "bar", fields, bars.instrument, interval=bars.interval, stamped=stamped), bars.seconds
    for kind, more in (("trade", _TRADE), ("book_top", _QUOTE)):
        if set(more.values()) <= names:
            return _of(file, schema, kind, {"ts_event": "ts_event", **more}, metadata.get("instrument_id", "")), 0
    raise SourceError(f"file {file.path}: expected bars, trades or quotes of a catalog, was {', '.join(schema.names)}")


def _of(
    file: Packed,
    schema: pa.Schema,
    kind: str,
    fields: dict[str, str],
    instrument: str,
    interval: str = "",
    stamped: str = "",
) -> Layout:
    for name in fields.values():
        kind_of = schema.field(name).type
        if pa.types.is_fixed_size_binary(kind_of) and kind_of.byte_width not in _SCALES:
            raise SourceError(f"file {file.path}: {name}: expected numbers of 8 or 16 bytes, was {kind_of}")
    market, native = market_of_catalog(instrument)
    return Layout(
        *(NAME, kind, tuple(fields.values()), fields),
        venue=market,
        native=native,
        interval=interval,
        dense=False,
        stamped=stamped,
        zone="UTC",
    )


def _bars(file: Packed, text: str) -> _Bars:
    """`BTCUSDT.BINANCE-1-MINUTE-LAST-EXTERNAL`; what a composite is made of, behind an @, does not matter."""
    instrument, *rest = text.partition("@")[0].rsplit("-", 4)
    if len(rest) != 4 or not rest[0].isdecimal() or rest[1] not in _UNITS or rest[2] != "LAST":
        raise SourceError(f"file {file.path}: bar_type: expected bars of last prices by time, was {text!r}")
    unit, seconds = _UNITS[rest[1]]
    return _Bars(instrument, f"{rest[0]}{unit}", seconds * int(rest[0]))


def _numbers(column: ArrowArray) -> ArrowArray:
    width = column.type.byte_width
    data = column.buffers()[1]
    if not len(column) or data is None:
        return pa.nulls(len(column), DECIMAL)
    data = data.slice(column.offset * width, len(column) * width)
    if width == 8:
        return decimals_of(ExactNumbers(np.frombuffer(data.to_pybytes(), dtype="<i8"), _SCALES[width], None))
    return pa.Array.from_buffers(pa.decimal128(38, _SCALES[width]), len(column), [None, data]).cast(DECIMAL)
