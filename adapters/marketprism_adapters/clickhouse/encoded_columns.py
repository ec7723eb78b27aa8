"""Rows as they are encoded, made into columns: field by field over all rows at once, no value becomes an object.

The engine's own reader of MessagePack takes four times as long for a row as everything else that it does with it, and
Arrow next to nothing. So many rows go as columns; what is not plainly of its kind, and a number that has to be looked
into, goes as it came, for the engine to judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from marketprism_adapters.clickhouse.sql.columns import Column, columns_of
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.ports.storage import EncodedRows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from marketprism_application.integrity.exact_numbers import ArrowArray

    Numbers = npt.NDArray[np.int64]
    Bytes = npt.NDArray[np.uint8]
    Offsets = npt.NDArray[np.int32]

_BLOCK = 5_000  # rows at once: what is worked on stays in the processor's cache
_MOST_LEVELS = 64
_PADDING = bytes(16)
_INT, _TEXT, _NIL, _ARRAY = 1, 2, 3, 4
_NONE, _STR8, _ARRAY16, _UINT64, _INT8, _INT64 = 0xC0, 0xD9, 0xDC, 0xCF, 0xD0, 0xD3
_FALSE, _TRUE = 0xC2, 0xC3


class NotPlain(Exception):
    """Rows that are better handed over as they came."""


def encoded_columns(kind: DataKind, groups: Sequence[EncodedRows], epoch: int) -> pa.Table:
    """Columns of the rows as the kind's table has them, numbers exact, with where each row came from.

    Raises:
        NotPlain: a value is of another type or form than its field has as a rule, or a number would lose digits.
    """
    import numpy as np  # noqa: PLC0415 (heavy: only who has a table)
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    rows = [bytes(row) for group in groups for row in group.rows]
    counts = np.array([len(group.rows) for group in groups], np.int64)
    try:
        blocks = [_block(kind, rows[first : first + _BLOCK]) for first in range(0, len(rows), _BLOCK)]
    except IndexError as error:  # a row ended before its fields did
        raise NotPlain(kind.name) from error
    table = pa.concat_tables(blocks).combine_chunks()
    firsts = np.array([group.first for group in groups], np.int64)
    begins = np.cumsum(counts) - counts
    index = np.arange(len(rows)) - np.repeat(begins - firsts, counts)
    table = table.append_column(
        "stream_seq", pa.array(np.repeat(np.array([group.seq for group in groups], np.uint64), counts))
    )
    table = table.append_column("stream_index", pa.array(index.astype(np.uint32)))
    return table.append_column("writer_epoch", pa.array(np.full(len(rows), epoch, np.uint64)))


def _block(kind: DataKind, rows: Sequence[bytes]) -> pa.Table:
    import numpy as np  # noqa: PLC0415 (heavy: only who has a table)
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    ends = np.cumsum(np.fromiter(map(len, rows), np.int64, len(rows)))
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    walk = _Walk(b"".join(rows), starts, len(kind.fields))
    arrays: dict[str, ArrowArray] = {}
    for _, columns in columns_of(kind.name):
        if len(columns) == 2:
            for column, side in zip(columns, walk.sides(), strict=True):
                arrays[column.name] = _exact(side, column.exact)
        else:
            arrays[columns[0].name] = _column(walk, columns[0])
    if not (walk.at == ends).all():
        raise NotPlain(kind.name)
    return pa.table(arrays)


def _column(walk: _Walk, column: Column) -> ArrowArray:
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    optional = column.stored.startswith("Nullable")
    if pa.types.is_list(column.arrow):
        return walk.texts()
    if pa.types.is_boolean(column.arrow) and not optional:
        return walk.booleans()
    if pa.types.is_int64(column.arrow):
        return walk.integers(optional=optional).view(column.exact)
    if pa.types.is_string(column.arrow):
        found = walk.text(optional=optional)
        return found if column.exact == column.arrow else _exact(found, column.exact)
    raise NotPlain(column.name)


class _Forms(NamedTuple):
    """Of each first byte of a value: what it is, and how long, with itself; of a longer text without its characters."""

    kind: Bytes
    size: Numbers


def _forms() -> _Forms:
    import numpy as np  # noqa: PLC0415 (heavy: only who has a table)

    kind, size = np.zeros(256, np.uint8), np.ones(256, np.int64)
    kind[:0x80] = kind[0xE0:] = _INT
    kind[0xA0:0xC0] = _TEXT
    size[0xA0:0xC0] += np.arange(32)
    kind[_NONE] = _NIL
    kind[_STR8], size[_STR8] = _TEXT, 2
    kind[0x90:0xA0] = kind[_ARRAY16] = _ARRAY
    size[_ARRAY16] = 3
    for first in (0xCC, _INT8):
        for power in range(4):
            kind[first + power], size[first + power] = _INT, 1 + (1 << power)
    return _Forms(kind, size)


class _Walk:
    """Rows one behind another in `data`, each at the same field; `at` is where that begins in each."""

    def __init__(self, data: bytes, starts: Numbers, width: int) -> None:
        import numpy as np  # noqa: PLC0415 (heavy: only who has a table)

        padded = data + _PADDING
        self._bytes = np.frombuffer(padded, np.uint8)
        self._eights = np.ndarray((len(padded) - 8,), ">u8", padded, 0, (1,))  # the number that begins at each byte
        self._forms = _forms()
        self.at = starts
        if not (self._counts() == width).all():
            raise NotPlain("fields")

    def integers(self, *, optional: bool) -> ArrowArray:
        """Whole numbers of 64 bits with a sign; where it is optional, of all rows or of none."""
        import numpy as np  # noqa: PLC0415 (heavy: only who has a table)
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        first = self._bytes[self.at]
        if optional and (first == _NONE).all():
            self.at = self.at + 1
            return pa.nulls(len(first), pa.int64())
        if (self._forms.kind[first] != _INT).any():
            raise NotPlain("integer")
        size = self._forms.size[first]
        unused = (9 - np.maximum(size, 2)) * 8  # bits of the eight bytes that are of what follows
        raw = self._eights[self.at + 1].astype(np.uint64)
        if ((first == _UINT64) & (raw >> np.uint64(63)).astype(bool)).any():
            raise NotPlain("integer")
        plain = (raw >> unused.astype(np.uint64)).astype(np.int64)
        signed = (first >= _INT8) & (first <= _INT64)
        if signed.any():
            plain = np.where(signed, raw.astype(np.int64) >> unused, plain)
        self.at = self.at + size
        return pa.array(np.where(size == 1, first.astype(np.int8).astype(np.int64), plain))

    def booleans(self) -> ArrowArray:
        """True or false in every row."""
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        first = self._bytes[self.at]
        if not ((first == _FALSE) | (first == _TRUE)).all():
            raise NotPlain("boolean")
        self.at = self.at + 1
        found: ArrowArray = pa.array(first == _TRUE)
        return found

    def text(self, *, optional: bool) -> ArrowArray:
        """Texts, one a row."""
        found, self.at = self._texts_at(self.at, optional=optional)
        return found

    def texts(self) -> ArrowArray:
        """Lists of texts, one a row."""
        import numpy as np  # noqa: PLC0415 (heavy: only who has a table)

        counts = self._counts()
        offsets = _offsets(counts)
        places = np.empty(int(offsets[-1]), np.int64)
        for item in range(_longest(counts)):
            has = np.flatnonzero(counts > item)
            places[offsets[has] + item] = self.at[has]
            self.at[has] = self._behind(self.at[has])
        values, _ = self._texts_at(places, optional=False)
        return _lists(offsets, values)

    def sides(self) -> tuple[ArrowArray, ArrowArray]:
        """Texts of the prices and of the quantities of one side of a book, a list of each a row."""
        import numpy as np  # noqa: PLC0415 (heavy: only who has a table)

        counts = self._counts()
        offsets = _offsets(counts)
        places = np.empty((2, int(offsets[-1])), np.int64)
        for level in range(_longest(counts)):
            has = np.flatnonzero(counts > level)
            at = self.at[has]
            if (self._bytes[at] != 0x92).any():
                raise NotPlain("level")
            places[0, offsets[has] + level] = at + 1
            places[1, offsets[has] + level] = behind = self._behind(at + 1)
            self.at[has] = self._behind(behind)
        prices, quantities = (self._texts_at(each, optional=False)[0] for each in places)
        return _lists(offsets, prices), _lists(offsets, quantities)

    def _counts(self) -> Numbers:
        """How many values the arrays have that begin here, and past their heads."""
        import numpy as np  # noqa: PLC0415 (heavy: only who has a table)

        first = self._bytes[self.at]
        if (self._forms.kind[first] != _ARRAY).any():
            raise NotPlain("array")
        counts = (first & 15).astype(np.int64)
        long = first == _ARRAY16
        if long.any():
            counts = np.where(long, (self._eights[self.at + 1] >> np.uint64(48)).astype(np.int64), counts)
        self.at = self.at + self._forms.size[first]
        return counts

    def _behind(self, places: Numbers) -> Numbers:
        """Where texts end that begin there."""
        first = self._bytes[places]
        behind: Numbers = places + self._forms.size[first] + (first == _STR8) * self._bytes[places + 1]
        return behind

    def _texts_at(self, places: Numbers, *, optional: bool) -> tuple[ArrowArray, Numbers]:
        import numpy as np  # noqa: PLC0415 (heavy: only who has a table)
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

        first = self._bytes[places]
        there = self._forms.kind[first] == _TEXT
        if not (there | (first == _NONE) if optional else there).all():
            raise NotPlain("text")
        behind = self._behind(places)
        begin = places + 1 + (first == _STR8)
        lengths = behind - begin
        offsets = _offsets(lengths)
        taken = np.repeat(begin - offsets[:-1], lengths)
        taken += np.arange(len(taken))
        data = self._bytes[taken]
        valid = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little").tobytes())
        buffers = [valid, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data.tobytes())]
        return pa.Array.from_buffers(pa.string(), len(places), buffers), behind


def _exact(texts: ArrowArray, of: pa.DataType) -> ArrowArray:
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    try:
        return texts.cast(of)  # which refuses what would lose a digit
    except pa.ArrowException as error:
        raise NotPlain("number") from error


def _lists(offsets: Offsets, values: ArrowArray) -> ArrowArray:
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    found: ArrowArray = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
    return found


def _offsets(lengths: Numbers) -> Offsets:
    import numpy as np  # noqa: PLC0415 (heavy: only who has a table)

    found = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=found[1:])
    return found


def _longest(counts: Numbers) -> int:
    most = int(counts.max()) if len(counts) else 0
    if most > _MOST_LEVELS:
        raise NotPlain("levels")
    return most
