"""Rows of a table as the records that they were."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, TypeAlias, Union, cast

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.rows import plain_number
from marketprism_client._failures import QueryFailed
from marketprism_domain.values import BookLevel

SomeRecord: TypeAlias = Any  # of a kind that is named at run time, so that its class is not known before
Convert = Callable[[object], object]


@lru_cache(maxsize=65_536)
def shortest(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent."""
    return plain_number(value)


def record_of(kind: DataKind, row: Mapping[str, object]) -> SomeRecord:
    """The record of a row of the kind's table, each number in its shortest form.

    Raises:
        QueryFailed: the row has but some of the fields.
    """
    try:
        return kind.model(*(convert(row[name]) for name, convert in _converts(kind)))
    except KeyError as error:
        raise QueryFailed(
            Code.INVALID_PARAMETER,
            f"fields: expected all of a {kind.name} to make one of it, was without {error.args[0]!r}",
        ) from error


@cache
def _converts(kind: DataKind) -> tuple[tuple[str, Convert], ...]:
    return tuple((name, _convert(hint)) for name, hint in kind.types.items())


def _convert(hint: object) -> Convert:
    if typing.get_origin(hint) in (Union, types.UnionType):
        hint = next(argument for argument in typing.get_args(hint) if argument is not type(None))
    if hint is Decimal:
        return _shortest
    if typing.get_origin(hint) is dict:
        return lambda value: json.loads(value) if isinstance(value, str) else value
    if typing.get_origin(hint) is tuple:
        return _levels if typing.get_args(hint)[0] is BookLevel else _texts
    return lambda value: value


def _shortest(value: object) -> object:
    return shortest(value) if isinstance(value, Decimal) else value


def _texts(value: object) -> tuple[str, ...]:
    return tuple(cast("list[str] | None", value) or ())


def _levels(value: object) -> tuple[BookLevel, ...]:
    levels = cast("list[Mapping[str, Decimal]] | None", value) or ()
    return tuple(BookLevel(shortest(level["price"]), shortest(level["quantity"])) for level in levels)
