"""Files of Databento (DBN, plain or zstd): bars and trades, read by the vendor's own library, extra `databento`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from marketprism_adapters.imports.columns import decimals_of
from marketprism_adapters.imports.containers import Packed, opened, reading
from marketprism_adapters.imports.layout import Layout, Sample
from marketprism_application.errors import SourceError
from marketprism_application.integrity.exact_numbers import ArrowArray, ExactNumbers
from marketprism_sdk.errors import reason_of

if TYPE_CHECKING:
    from databento_dbn import DBNDecoder, Metadata, OHLCVMsg, TradeMsg

NAME = "databento"
_CHUNK, _BATCH, _SAMPLE = 1 << 20, 1 << 15, 200
_SCALE = 9
_NO_PRICE = 2**63 - 1
_PRICES = ("open", "high", "low", "close")
_BARS = ("symbol", "ts_event", *_PRICES, "volume")
_TRADES = ("symbol", "ts_event", "trade_id", "price", "size", "side")
_SIDES = {"A": "sell", "B": "buy"}  # who took
_INTERVALS = {"ohlcv-1s": "1s", "ohlcv-1m": "1m", "ohlcv-1h": "1h", "ohlcv-1d": "1d"}


class DbnTable(NamedTuple):
    """A file of Databento, what it says of itself, and its first rows."""

    file: Packed
    sample: Sample
    schema: str
    dataset: str

    @classmethod
    def of(cls, file: Packed) -> DbnTable:
        """The table of a file.

        Raises:
            SourceError: damaged, the library is missing, nothing in it, or it holds neither bars nor trades.
        """
        reader = _Reader(file)
        for batch in reader.batches():
            cells = [
                [str(cell) for cell in batch.column(at).slice(0, _SAMPLE).to_pylist()]
                for at in range(batch.num_columns)
            ]
            sample = Sample(tuple(batch.schema.names), tuple(zip(*cells, strict=True)), file.member)
            return cls(file, sample, reader.schema, reader.dataset)
        raise SourceError(f"file {file.path}: expected rows, it has none")

    def batches(
        self,
        layout: Layout,
        wanted: set[str],
        *,
        few: bool = False,  # noqa: ARG002 (its blocks are small)
    ) -> Iterator[pa.RecordBatch]:
        """Columns of the table, block by block."""
        names = [name for name in layout.columns if name in wanted]
        for batch in _Reader(self.file).batches():
            yield batch.select(names)

    @property
    def layout(self) -> Layout:
        """How it is read."""
        if self.schema in _INTERVALS:
            fields = {"ts_open": "ts_event", **{name: name for name in (*_PRICES, "volume")}}
            return Layout(
                *(NAME, "bar", _BARS, fields),
                symbols="symbol",
                interval=_INTERVALS[self.schema],
                dense=False,
                stamped="open",
                zone="UTC",
                own_names=True,
                remarks=(f"dataset {self.dataset}",),
            )
        fields = {"ts_event": "ts_event", "trade_id": "trade_id", "price": "price", "quantity": "size", "side": "side"}
        remarks = (f"dataset {self.dataset}",)
        return Layout(NAME, "trade", _TRADES, fields, symbols="symbol", zone="UTC", own_names=True, remarks=remarks)


class _Reader:
    """Decodes a file from its beginning."""

    def __init__(self, file: Packed) -> None:
        self._file = file
        self.schema = ""
        self.dataset = ""
        self._symbols: dict[int, str] = {}
        self._last = (-1, 0)  # sequence of the last trade, and how many had it before

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            from databento_dbn import DBNDecoder, DBNError, Metadata  # noqa: PLC0415 (an extra)
        except ImportError as error:
            text = f"file {self._file.path}: expected a library that reads DBN: install marketprism[databento]"
            raise SourceError(text) from error
        decoder: DBNDecoder = DBNDecoder()
        records: list[OHLCVMsg | TradeMsg] = []
        with reading(self._file.path), opened(self._file) as stream:
            while chunk := stream.read(_CHUNK):
                decoder.write(chunk)
                try:
                    found = decoder.decode()
                except DBNError as error:
                    text = f"file {self._file.path}: expected a whole file of Databento: {reason_of(error)}"
                    raise SourceError(text) from error
                for each in found:
                    if isinstance(each, Metadata):
                        self._begin(each)
                    else:
                        records.append(each)
                while len(records) >= _BATCH:
                    yield self._batch(records[:_BATCH])
                    del records[:_BATCH]
            if decoder.buffer():
                raise SourceError(
                    f"file {self._file.path}: expected a whole file of Databento, it ends within a record"
                )
        if records:
            yield self._batch(records)

    def _begin(self, metadata: Metadata) -> None:
        self.schema, self.dataset = str(metadata.schema), metadata.dataset
        if self.schema not in (*_INTERVALS, "trades"):
            known = ", ".join((*_INTERVALS, "trades"))
            raise SourceError(f"file {self._file.path}: expected one of {known}, was {self.schema}")
        for name, spans in metadata.mappings.items():
            for span in spans:
                pair = (name, str(span["symbol"]))
                number = next((each for each in pair if each.isdecimal()), "")
                text = pair[0] if pair[1] == number else pair[1]
                if number:
                    self._symbols[int(number)] = text

    def _batch(self, records: list[OHLCVMsg | TradeMsg]) -> pa.RecordBatch:
        symbols = [self._symbols.get(each.instrument_id, str(each.instrument_id)) for each in records]
        columns: list[ArrowArray] = [pa.array(symbols), pa.array([each.ts_event for each in records], pa.int64())]
        if self.schema in _INTERVALS:
            columns += [_prices([getattr(each, name) for each in records]) for name in _PRICES]
            columns.append(pa.array([each.volume for each in records], pa.int64()))
            return pa.RecordBatch.from_arrays(columns, names=list(_BARS))
        columns += [
            pa.array([self._id(each.sequence) for each in records]),
            _prices([each.price for each in records]),
            pa.array([each.size for each in records], pa.int64()),
            pa.array([_SIDES.get(str(each.side)) for each in records], pa.string()),
        ]
        return pa.RecordBatch.from_arrays(columns, names=list(_TRADES))

    def _id(self, sequence: int) -> str:
        """Trades have no ids there: the sequence of their message, and the place in it of those behind the first."""
        before = self._last[1] + 1 if sequence == self._last[0] else 0
        self._last = (sequence, before)
        return f"{sequence}.{before}" if before else str(sequence)


def _prices(units: list[int]) -> ArrowArray:
    numbers = np.array(units, dtype=np.int64)
    there = numbers != _NO_PRICE
    return decimals_of(ExactNumbers(np.where(there, numbers, 0), _SCALE, None if there.all() else there))
