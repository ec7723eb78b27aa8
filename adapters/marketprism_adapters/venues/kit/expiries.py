"""Expiry dates in the two forms that venues write: `250328` and `28MAR25`."""

from __future__ import annotations

import re

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WORDED = re.compile(r"(\d{1,2})(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)(\d{2})")
DIGITS = re.compile(r"\d{6}")


def worded(digits: str) -> str:
    """An expiry `250328` as `28MAR25`.

    Raises:
        ValueError: no such date.
    """
    if not 1 <= int(digits[2:4]) <= len(_MONTHS):
        raise ValueError(f"expiry: expected a date like 250328, was {digits!r}")
    return f"{int(digits[4:6])}{_MONTHS[int(digits[2:4]) - 1]}{digits[:2]}"


def digits(text: str) -> str:
    """`28MAR25` as `250328`.

    Raises:
        ValueError: no such date.
    """
    found = WORDED.fullmatch(text)
    if found is None:
        raise ValueError(f"expiry: expected a date like 28MAR25, was {text!r}")
    return f"{found[3]}{_MONTHS.index(found[2]) + 1:02d}{int(found[1]):02d}"
