"""A file as a reader sees it that has nothing of the engine which wrote it: pyarrow, and the bytes themselves."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from marketprism_application.archiving.layout import kind_of
from marketprism_application.contracts.archive_records import ColdFile
from marketprism_application.files.digest import sha256_of


class Read(NamedTuple):
    """Rows, first and last time (nanoseconds UTC), first and last symbol, names of the columns."""

    rows: int
    ts_first: int
    ts_last: int
    first: str
    last: str
    columns: tuple[str, ...]


def read(table: str, path: Path) -> Read:
    """What pyarrow finds in a file of a table.

    Raises:
        OSError, ValueError: it is no such file; pyarrow's errors are of these classes.
    """
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)
    import pyarrow.compute as pc  # noqa: PLC0415 (heavy: only who has a table)
    import pyarrow.parquet as pq  # noqa: PLC0415 (heavy: only who has a table)

    time = kind_of(table).time_field
    with pq.ParquetFile(path) as file:
        found = file.read(columns=[time, "symbol", "stream_seq"])
        names = tuple(file.schema_arrow.names)
    if not found.num_rows:
        return Read(0, 0, 0, "", "", names)
    times, symbols = found.column(time).cast(pa.int64()), found.column("symbol")
    ends = [pc.min(times), pc.max(times), pc.min(symbols), pc.max(symbols)]
    first, last, first_symbol, last_symbol = (end.as_py() for end in ends)
    return Read(found.num_rows, first, last, first_symbol, last_symbol, names)


def differences(file: ColdFile, columns: tuple[str, ...], path: Path, found: Read | None) -> list[str]:
    """What of a local copy is not as it is to be; `found` None leaves out what a reader sees."""
    wrong = []
    size, digest = path.stat().st_size, sha256_of(path)
    if size != file.bytes:
        wrong.append(f"bytes: expected {file.bytes}, was {size}")
    if digest != file.sha256:
        wrong.append(f"sha256: expected {file.sha256[:16]}…, was {digest[:16]}…")
    if found is not None:
        wanted = Read(file.rows, file.ts_first, file.ts_last, file.first, file.last, columns)
        for name, is_to_be, is_there in zip(Read._fields, wanted, found, strict=True):
            if is_to_be != is_there:
                wrong.append(f"{name}: expected {is_to_be}, was {is_there}")
    return wrong


__all__ = ["Read", "differences", "read"]
