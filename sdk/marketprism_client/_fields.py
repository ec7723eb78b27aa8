"""Names of columns, as one asks for them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import DataKind
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.contracts.rows import SIDES
from marketprism_client._failures import QueryFailed

Fields = Sequence[str] | None
_LEVEL = re.compile(r"(bid|ask)_(price|volume)_[1-9]\d*")


def check_fields(fields: Sequence[str], known: Sequence[str]) -> list[str]:
    """The fields as a list, a single text as one of them.

    Raises:
        QueryFailed: a field that is no column; names the nearest.
    """
    found = [fields] if isinstance(fields, str) else list(fields)
    for name in found:
        if name not in known:
            near = did_you_mean(str(name), known)
            raise QueryFailed(
                Code.INVALID_PARAMETER, f"fields: expected some of {', '.join(known)}, was {name!r}{near}"
            )
    return found


def deepest(fields: Fields) -> int:
    """The deepest level of a book among the fields, 0 where there is none."""
    return max((int(name.rpartition("_")[2]) for name in fields or () if _LEVEL.fullmatch(str(name))), default=0)


def asked_columns(kind: DataKind, fields: Fields) -> tuple[str, ...]:
    """The columns of a kind that are to be sent, none for all: the fields, the sides of their levels, and what an
    answer of several instruments is ordered by.

    Raises:
        QueryFailed: a field that is none of the kind's; names the nearest.
    """
    if fields is None:
        return ()
    found = [fields] if isinstance(fields, str) else list(fields)
    sides = [f"{match[1]}s" for name in found if (match := _LEVEL.fullmatch(str(name))) is not None]
    if set(sides) <= set(kind.fields):
        found = [name for name in found if _LEVEL.fullmatch(str(name)) is None]
    check_fields(found, [*kind.fields, *levels_of(kind)])
    return tuple(dict.fromkeys((kind.time_field, "venue", "symbol", *found, *sides)))


def levels_of(kind: DataKind) -> list[str]:
    """The columns of the best level of a kind's book."""
    return [f"{side[:-1]}_{word}_1" for side in SIDES if side in kind.fields for word in ("price", "volume")]
