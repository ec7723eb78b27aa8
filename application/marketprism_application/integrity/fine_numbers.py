"""Texts that Arrow misreads as decimals, kept away from it.

It scales by powers of ten out of a table, and does not ask whether the table has them (up to release 26 at least): with
more than 56 places behind the point `1e-57` becomes 0, and `1e-32420104` ends the process. What is so fine is read as a
double instead, as are all numbers that have more places than a decimal.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

ArrowArray: TypeAlias = "pa.Array[Any]"

# More places than any number that is not caught here can have: 18 + 38 digits, or 18 + 19 and an exponent to -19.
_TOO_FINE: Final = r"[0-9.][eE]-([2-9][0-9]|[0-9]{3})|\.[0-9]{19,}[eE]-|\.0{19}"
_SOUGHT: Final = re.compile(_TOO_FINE.encode())
_FINER: Final = "a number is finer than its type"  # whoever reads it as another type then never shows it
_ZEROS: Final = b"0" * 19


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type has texts, however it keeps them."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def as_decimals(column: ArrowArray, wanted: pa.DataType) -> ArrowArray:
    """Texts, or anything else that is cast, as decimals of a type.

    Raises:
        pyarrow.ArrowInvalid: one is none, or has more places than the type.
    """
    if not is_text(column.type):
        return column.cast(wanted)
    column = column.cast(pa.string())
    if pc.any(pc.match_substring_regex(column, _TOO_FINE)).as_py():
        raise pa.ArrowInvalid(_FINER)
    return column.cast(wanted)


def check_fineness(text: bytes) -> None:
    """That Arrow reads every number of a text right.

    Raises:
        pyarrow.ArrowInvalid: there is one that it would misread.
    """
    if _may_have(text) and _SOUGHT.search(text):
        raise pa.ArrowInvalid(_FINER)


def _may_have(text: bytes) -> bool:
    """Whether there is anything of what is sought; quicker than to seek it, and in most texts there is nothing."""
    return (b"-" in text and (b"e-" in text or b"E-" in text)) or _ZEROS in text


__all__ = ["as_decimals", "check_fineness", "is_text"]
