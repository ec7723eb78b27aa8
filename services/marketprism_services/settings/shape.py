"""What settings there are and of what type, read from the classes that declare them."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel


def fields_of(kind: Any) -> Mapping[str, Any]:
    """Names and types of the settings that a class declares; empty for what is no class of settings."""
    return _declared(kind) if isinstance(kind, type) else {}


@cache
def _declared(kind: type) -> Mapping[str, object]:
    """The same of a class; once, since its annotations are texts that have to be evaluated."""
    if issubclass(kind, BaseModel):
        return MappingProxyType({name: field.annotation for name, field in kind.model_fields.items()})
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return MappingProxyType({field.name: hints[field.name] for field in dataclasses.fields(kind)})
    return MappingProxyType({})


def values_of(settings: Any) -> Iterator[tuple[str, Any]]:
    """Name and value of each setting of a section; nothing of what is no section."""
    for name in fields_of(type(settings)):
        yield name, getattr(settings, name)


def type_at(kind: Any, path: Sequence[str]) -> Any:
    """The type of what is at a path of settings, members of lists by their number; None where there is nothing."""
    for part in path:
        of = _plain(kind)
        origin, arguments = get_origin(of), get_args(of)
        if origin is tuple and part.isdecimal():
            kind = arguments[0]
        elif origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
            kind = arguments[1]
        else:
            kind = fields_of(of).get(part)
    return _plain(kind)


def is_list(kind: Any) -> bool:
    """Whether a type is a list of single values, which a text can hold with commas between."""
    return get_origin(kind) is tuple and not fields_of(get_args(kind)[0])


def is_table(kind: object) -> bool:
    """Whether a type is a table whose keys nobody declares, which a text can hold as JSON."""
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _plain(kind: Any) -> Any:
    """Without `| None`."""
    if get_origin(kind) in (Union, types.UnionType):
        return next(each for each in get_args(kind) if each is not type(None))
    return kind
