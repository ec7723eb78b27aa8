"""The forms of an answer of any size: pages in, bytes of one document out, and never more than a page is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from marketprism_adapters.http.envelope import Stamp, count_of
from marketprism_application.files.chunks import Chunks
from marketprism_application.queries.export import csv_part, json_rows, lines

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "msgpack": "application/msgpack",
    "json": "application/json",
}


class StreamForm(Protocol):
    """One document. Its bytes are what `part` gives of each page, there is at least one, and then `end`."""

    def part(self, page: pa.Table) -> bytes:
        """Bytes of one page, and of what stands before the first."""

    def end(self) -> bytes:
        """What closes the document."""


class CsvForm:
    """Fulfils `StreamForm`: one line of names, then the rows."""

    def __init__(self) -> None:
        self._is_first = True

    def part(self, page: pa.Table) -> bytes:
        """Lines of a page."""
        header, self._is_first = self._is_first, False
        return csv_part(page, header=header)

    def end(self) -> bytes:
        """Nothing: the last line ends the document."""
        return b""


class LinesForm:
    """Fulfils `StreamForm`: a JSON object a line."""

    def part(self, page: pa.Table) -> bytes:
        """Lines of a page."""
        return lines(page)

    def end(self) -> bytes:
        """Nothing: the last line ends the document."""
        return b""


class MapsForm:
    """Fulfils `StreamForm`: MessagePack maps, one after the other."""

    def part(self, page: pa.Table) -> bytes:
        """Maps of a page."""
        return b"".join(map(msgspec.msgpack.encode, json_rows(page)))

    def end(self) -> bytes:
        """Nothing: the last map ends the document."""
        return b""


class EnvelopeForm:
    """Fulfils `StreamForm`: the contract's envelope, whose `data` has the rows of all pages.

    What counts them stands behind them. Without its end the document is no JSON.
    """

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._is_first = True
        self._count = 0

    def part(self, page: pa.Table) -> bytes:
        """Rows of a page."""
        parts = [b'{"success":true,"data":['] if self._is_first else []
        for row in json_rows(page):
            parts += [b",\n" if self._count else b"\n", msgspec.json.encode(row)]
            self._count += 1
        self._is_first = False
        return b"".join(parts)

    def end(self) -> bytes:
        """What is not a row."""
        rest = msgspec.json.encode({"message": count_of(self._count, "row"), **self._stamp._asdict()})
        return b"\n]," + rest[1:] + b"\n"


class ArrowForm:
    """Fulfils `StreamForm`: an Arrow IPC stream, record batches of a page each."""

    def __init__(self) -> None:
        self._sink = Chunks()
        self._writer: pa.RecordBatchStreamWriter | None = None

    def part(self, page: pa.Table) -> bytes:
        """Record batches of a page."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._sink, page.schema)
        self._writer.write_table(page)
        return self._sink.take()

    def end(self) -> bytes:
        """The mark behind the last record batch."""
        if self._writer is not None:
            self._writer.close()
        return self._sink.take()


class ParquetForm:
    """Fulfils `StreamForm`: a Parquet file, a row group a page; what describes them is at its end."""

    def __init__(self) -> None:
        self._sink = Chunks()
        self._writer: pq.ParquetWriter | None = None

    def part(self, page: pa.Table) -> bytes:
        """A row group; only what begins the file where the page has no row."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)
        import pyarrow.parquet as pq  # noqa: PLC0415 (heavy: only who has a table)

        if self._writer is None:
            self._writer = pq.ParquetWriter(pa.PythonFile(self._sink, mode="w"), page.schema)
        if page.num_rows:
            self._writer.write_table(page, row_group_size=page.num_rows)
        return self._sink.take()

    def end(self) -> bytes:
        """Where each row group lies, and the schema."""
        if self._writer is not None:
            self._writer.close()
        return self._sink.take()


def form_of(name: str, stamp: Stamp) -> StreamForm:
    """A document in a form of `CONTENT_TYPES`."""
    if name == "json":
        return EnvelopeForm(stamp)
    return _FORMS[name]()


_FORMS: dict[str, type[CsvForm | LinesForm | ArrowForm | ParquetForm | MapsForm]] = {
    "csv": CsvForm,
    "ndjson": LinesForm,
    "arrow": ArrowForm,
    "parquet": ParquetForm,
    "msgpack": MapsForm,
}
