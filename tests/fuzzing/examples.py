"""Plain values that a type takes: seeds of whatever is decoded by its annotations."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

NOW_MS = 1_767_225_600_000  # 2026-01-01


def example(made: Any, *, number: int = NOW_MS, text: str = "1", depth: int = 0) -> Any:
    """A plain value of a type, every field of a struct in it; integers are `number`, texts `text`."""
    return _of(inspect.type_info(made), number, text, depth)


def _of(info: inspect.Type, number: int, text: str, depth: int) -> Any:
    match info:
        case inspect.IntType():
            return number
        case inspect.FloatType():
            return 0.5
        case inspect.BoolType():
            return True
        case inspect.DecimalType() | inspect.StrType():
            return text
        case inspect.BytesType() | inspect.RawType():
            return b"" if isinstance(info, inspect.BytesType) else {}
        case inspect.LiteralType():
            return info.values[0]
        case inspect.EnumType():
            return next(iter(info.cls)).value
        case inspect.StructType():
            return _struct(info, number, text, depth)
        case inspect.NamedTupleType():
            return [_of(each.type, number, text, depth + 1) for each in info.fields]
        case inspect.TypedDictType() | inspect.DataclassType():
            return {each.encode_name: _of(each.type, number, text, depth + 1) for each in info.fields}
        case inspect.TupleType():
            return [_of(each, number, text, depth + 1) for each in info.item_types]
        case inspect.CollectionType():
            return [_of(info.item_type, number, text, depth + 1)] if depth < 6 else []
        case inspect.DictType():
            return {text: _of(info.value_type, number, text, depth + 1)} if depth < 6 else {}
        case inspect.UnionType():
            kinds = [each for each in info.types if not isinstance(each, inspect.NoneType)]
            return _of(kinds[0], number, text, depth + 1) if depth < 6 else None
        case inspect.NoneType():
            return None
        case _:
            return text


def _struct(info: inspect.StructType, number: int, text: str, depth: int) -> Any:
    named = {each.encode_name: _of(each.type, number, text, depth + 1) for each in info.fields}
    if info.tag_field is not None:
        named = {info.tag_field: info.tag} | named
    return list(named.values()) if info.array_like else named


def packed(made: Any, **how: Any) -> bytes:
    """The example as MessagePack."""
    return msgspec.msgpack.encode(example(made, **how))
