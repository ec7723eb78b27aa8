"""Rows of the past on their way into the store: blocks of columns, in a stream of their own.

A block is an Arrow stream of one kind and one instrument: the kind's fields as an answer has them, in their order. Rows
that are read from files have no message each: they would fill the streams of the living, and reach whoever listens.

Where a row stood decides which of one key stands. A row of a file stands behind every row that came live, so it has no
sequence at all; one that is to replace what is there has a sequence above all live ones.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from marketprism_application.contracts.codec import ContractError
from marketprism_application.contracts.kinds import KINDS, DataKind
from marketprism_application.contracts.subjects import escape

if TYPE_CHECKING:
    import pyarrow as pa

STREAM = "MARKET_HISTORY"
PREFIX = "history.rows."
# Below the bits in which a version of a bar has its revision, and above what a stream counts to.
REPLACING = 1 << 47
_REPLACES = b"replaces"


class HistoryBlock(NamedTuple):
    """Rows of a kind; `replaces`: they stand instead of what is there with their keys."""

    kind: DataKind
    rows: pa.Table
    replaces: bool = False

    def stored_seq(self, seq: int) -> int:
        """The sequence under which the rows of message `seq` are stored."""
        return REPLACING + seq if self.replaces else 0


def history_subject(kind: DataKind, venue: str, symbol: str) -> str:
    """Subject of the blocks of an instrument: whoever writes one expects to be alone there."""
    return f"{PREFIX}{kind.name}.{escape(venue)}.{escape(symbol)}"


def encode_block(rows: pa.Table, *, replaces: bool) -> bytes:
    """The bytes of a block."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    table = rows.replace_schema_metadata({_REPLACES: b"1"} if replaces else None).combine_chunks()
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 3))
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def kind_of_subject(subject: str) -> DataKind | None:
    """The kind of a block's subject; None for a subject that is none."""
    if not subject.startswith(PREFIX):
        return None
    return KINDS.get(subject[len(PREFIX) :].partition(".")[0])


def decode_block(subject: str, data: bytes) -> HistoryBlock:
    """The block of a message.

    Raises:
        ContractError: it is none, or has other columns than its kind.
    """
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    kind = kind_of_subject(subject)
    if kind is None:
        raise ContractError(f"subject {subject}: expected {PREFIX}<kind>.<venue>.<symbol> of a known kind")
    try:
        rows = pa.ipc.open_stream(io.BytesIO(data)).read_all()
        rows.validate(full=True)  # offsets that lead out of its buffers are read by nobody behind this
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ContractError(f"history of {kind.name}: expected an Arrow stream, was {len(data)} bytes") from error
    if tuple(rows.column_names) != kind.fields:
        raise ContractError(f"history of {kind.name}: expected the columns {', '.join(kind.fields)}")
    return HistoryBlock(kind, rows, (rows.schema.metadata or {}).get(_REPLACES) == b"1")


__all__ = [
    "PREFIX",
    "REPLACING",
    "STREAM",
    "HistoryBlock",
    "decode_block",
    "encode_block",
    "history_subject",
    "kind_of_subject",
]
