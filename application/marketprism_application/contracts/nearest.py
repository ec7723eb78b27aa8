"""What somebody may have meant by a name that is none."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_ALIKE = 0.6


def nearest(name: str, known: Iterable[str], most: int = 3, alike: float = _ALIKE) -> list[str]:
    """The known names that are most like it, in any case, the likest first; none that is less `alike` (1: the same)."""
    by_text: dict[str, str] = {}
    for each in known:
        by_text.setdefault(each.casefold(), each)
    return [by_text[text] for text in get_close_matches(name[:80].casefold(), by_text, most, alike)]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'close'`, or nothing."""
    found = nearest(name, known, 1)
    return f"; did you mean {found[0]!r}" if found else ""
