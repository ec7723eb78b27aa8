"""What an engine's error is about: one row, or the store.

Numbers and names are those of the server's ErrorCodes. Only what the engine says of a value that it was given counts
as a row's fault; everything else, also what nobody has heard of yet, is the store's, and passes or is mended there.
"""

from __future__ import annotations

import re

from marketprism_application.errors import RowError, StoreError

ROW_CODES = {
    6: "CANNOT_PARSE_TEXT", 25: "CANNOT_PARSE_ESCAPE_SEQUENCE", 26: "CANNOT_PARSE_QUOTED_STRING",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED", 32: "ATTEMPT_TO_READ_AFTER_EOF", 33: "CANNOT_READ_ALL_DATA",
    38: "CANNOT_PARSE_DATE", 41: "CANNOT_PARSE_DATETIME", 53: "TYPE_MISMATCH", 69: "ARGUMENT_OUT_OF_BOUND",
    70: "CANNOT_CONVERT_TYPE", 72: "CANNOT_PARSE_NUMBER", 117: "INCORRECT_DATA", 128: "TOO_LARGE_ARRAY_SIZE",
    130: "CANNOT_READ_ARRAY_FROM_TEXT", 131: "TOO_LARGE_STRING_SIZE", 190: "SIZES_OF_ARRAYS_DONT_MATCH",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", 349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    376: "CANNOT_PARSE_UUID", 395: "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", 407: "DECIMAL_OVERFLOW",
    441: "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING", 467: "CANNOT_PARSE_BOOL", 563: "CANNOT_READ_MAP_FROM_TEXT",
    632: "UNEXPECTED_DATA_AFTER_PARSED_VALUE", 728: "UNEXPECTED_DATA_TYPE",
}  # fmt: skip
# What the reader of encoded rows says of a value that has another type; of a table, the same number means the table.
_ILLEGAL_COLUMN, _OF_VALUE = 44, "insert MessagePack"
# For those who ask: the same question can be answered in a moment.
_SOON = {
    159, 202, 209, 210, 225, 236, 241, 242, 243, 252, 265, 279, 285, 286, 319, 335, 373, 394, 425, 999,
}  # fmt: skip
_FULL = 243
_CODE = re.compile(r"\bCode: (\d+)\b")
_LONGEST = 500


def store_error(text: str, code: int = 0) -> StoreError:
    """The error that an engine's text, and the number beside it or in it, stand for."""
    lines = text.strip().splitlines()
    first = lines[0][:_LONGEST] if lines else "no text"
    found = _CODE.search(text)
    number = code or (int(found.group(1)) if found else 0)
    if number == _FULL or "No space left" in text:
        return StoreError(f"store: the disk is full: {first}", retryable=True, engine_code=number)
    if number in ROW_CODES or (number == _ILLEGAL_COLUMN and _OF_VALUE in text):
        return RowError(f"store: {first}", engine_code=number)
    return StoreError(f"store: {first}", retryable=number in _SOON, engine_code=number)
