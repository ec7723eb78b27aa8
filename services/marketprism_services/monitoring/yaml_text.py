"""YAML of plain values: mappings, lists and scalars, in the order in which they stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

Value = str | int | float | bool | None | Sequence["Value"] | Mapping[str, "Value"]

_PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_/.\-]*")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def yaml_of(value: Mapping[str, Value], comment: str = "") -> str:
    """A document; `comment` stands above it."""
    head = [f"# {line}" for line in comment.splitlines()]
    return "\n".join([*head, *_mapping(value, 0)]) + "\n"


def _mapping(value: Mapping[str, Value], depth: int) -> Iterator[str]:
    pad = "  " * depth
    for key, each in value.items():
        if isinstance(each, Mapping) and each:
            yield f"{pad}{_scalar(key)}:"
            yield from _mapping(each, depth + 1)
        elif isinstance(each, Sequence) and not isinstance(each, str) and each:
            yield f"{pad}{_scalar(key)}:"
            yield from _items(each, depth + 1)
        else:
            yield f"{pad}{_scalar(key)}: {_scalar(each)}"


def _items(value: Sequence[Value], depth: int) -> Iterator[str]:
    pad = "  " * depth
    for each in value:
        if isinstance(each, Mapping) and each:
            first, *rest = _mapping(each, depth + 1)
            yield f"{pad}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{pad}- {_scalar(each)}"


def _scalar(value: Value) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


__all__ = ["Value", "yaml_of"]
