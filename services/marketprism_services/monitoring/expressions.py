"""What a PromQL expression asks for: names of series, their matchers and labels. Enough for the expressions of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_SELECTOR = re.compile(
    r"(?P<before>[a-z_]+\()?\s*\b(?P<name>(?:marketprism|process|python|slo)[a-zA-Z0-9_:]*|up|ALERTS)\b"
    r"(?!\s*\()(?P<matchers>\{[^}]*\})?(?P<range>\[[^\]]+\])?"
)
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")


class Selector(NamedTuple):
    """Series that an expression reads. `function` stands around it, `window` is its range; each empty where none is."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    function: str
    window: str

    @property
    def text(self) -> str:
        """As an instant selector."""
        inside = ",".join(f'{label}{sign}"{value}"' for label, sign, value in self.matchers)
        return f"{self.name}{{{inside}}}" if inside else self.name


def selectors_of(expr: str) -> Iterator[Selector]:
    """Every series that is read, in order; names inside quotes and label lists are passed over."""
    bare = _GROUPING.sub(lambda found: " " * len(found.group()), expr)
    for found in _SELECTOR.finditer(bare):
        matchers = tuple((m[1], m[2], m[3]) for m in _MATCHER.finditer(found["matchers"] or ""))
        yield Selector(found["name"], matchers, (found["before"] or "").rstrip("("), (found["range"] or "")[1:-1])


def grouping_of(expr: str) -> set[str]:
    """Labels that are summed or joined by."""
    return {label.strip() for found in _GROUPING.finditer(expr) for label in found[1].split(",") if label.strip()}


__all__ = ["Selector", "grouping_of", "selectors_of"]
