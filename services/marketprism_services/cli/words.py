"""Counts as a sentence has them."""

from __future__ import annotations


def count_of(number: int, one: str, many: str = "") -> str:
    """`1 instrument`, `2 instruments`; `many` where it is not formed by an s."""
    return f"{number} {one}" if number == 1 else f"{number} {many or f'{one}s'}"
