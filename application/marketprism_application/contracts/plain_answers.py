"""Answers of the read side to a program that has no Arrow, as they travel.

It is the byte c1, with which neither an Arrow stream nor MessagePack begins, and a zlib stream of the MessagePack array
[names, columns, metadata]. A column is [form, values …] by its form: `v` values as they are, `d` decimals as texts, `l`
lengths of lists (nil for none) and the column of all their members, `s` which rows are there (nil for all of them),
names and columns of their parts.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import msgspec

from marketprism_application.contracts.failures import AnswerError, Code, Failure
from marketprism_application.contracts.plain_table import PlainTable
from marketprism_application.contracts.questions import check_answer, decode_answer

if TYPE_CHECKING:
    import pyarrow as pa

_BEGIN = b"\xc1"
_LEVEL = 1  # of zlib: what is nearly all the saving, at a quarter of the time


def encode_plain(table: pa.Table) -> bytes:
    """Bytes of a result for whoever has no Arrow."""
    columns = [_packed(table.column(number).combine_chunks()) for number in range(table.num_columns)]
    packed = msgspec.msgpack.encode([table.column_names, columns, table.schema.metadata or {}])
    return _BEGIN + zlib.compress(packed, _LEVEL)


def plain_of(answer: bytes) -> bytes:
    """An answer of the read side in the form for whoever has no Arrow; a failure is what it was."""
    try:
        return encode_plain(decode_answer(answer))
    except AnswerError:
        return answer


def _packed(values: Any) -> list[object]:
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_decimal(values.type):
        return ["d", values.cast(pa.string()).to_pylist()]
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        return ["l", values.value_lengths().to_pylist(), _packed(values.flatten())]
    if pa.types.is_struct(values.type):
        there = values.is_valid().to_pylist() if values.null_count else None
        names = [values.type.field(number).name for number in range(values.type.num_fields)]
        return ["s", there, names, [_packed(part) for part in values.flatten()]]
    return ["v", values.to_pylist()]


def decode_plain(data: bytes) -> PlainTable:
    """A result.

    Raises:
        AnswerError: it is a failure, or nothing that is such an answer.
    """
    if data[:1] != _BEGIN:
        check_answer(data)
        raise AnswerError(Failure(Code.MALFORMED_REPLY, "answer: expected rows in MessagePack, was an Arrow stream"))
    try:
        names, columns, metadata = msgspec.msgpack.decode(
            zlib.decompress(data[1:]), type=tuple[list[str], list[list[object]], dict[bytes, bytes]]
        )
        return PlainTable({name: _unpacked(each) for name, each in zip(names, columns, strict=True)}, metadata or None)
    except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError, ValueError, LookupError, TypeError) as error:
        text = f"answer: expected rows in MessagePack: {type(error).__name__}"
        raise AnswerError(Failure(Code.MALFORMED_REPLY, text)) from error


@lru_cache(maxsize=65_536)
def _decimal(text: str) -> Decimal:
    return Decimal(text)


def _unpacked(column: Sequence[object]) -> list[object]:
    return _FORMS[cast("str", column[0])](*column[1:])


def _decimals(texts: list[str | None]) -> list[object]:
    return [None if text is None else _decimal(text) for text in texts]


def _lists(lengths: list[int | None], members: list[object]) -> list[object]:
    following = iter(_unpacked(members))
    return [None if length is None else list(islice(following, length)) for length in lengths]


def _structs(there: list[bool] | None, names: list[str], parts: list[list[object]]) -> list[object]:
    rows = [dict(zip(names, values, strict=True)) for values in zip(*map(_unpacked, parts), strict=True)]
    return list(
        rows if there is None else (row if is_there else None for row, is_there in zip(rows, there, strict=True))
    )


_FORMS: Mapping[str, Callable[..., list[object]]] = {"v": list, "d": _decimals, "l": _lists, "s": _structs}
