"""Names of columns, as one asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from marketprism_application.contracts.failures import Code
from marketprism_client._failures import QueryFailed

SIDES = {"bids": "bid", "asks": "ask"}


def check_fields(fields: Sequence[str], known: Sequence[str]) -> list[str]:
    """The fields as a list, a single text as one of them.

    Raises:
        QueryFailed: a field that is no column; names the nearest.
    """
    found = [fields] if isinstance(fields, str) else list(fields)
    for name in found:
        if name not in known:
            near = get_close_matches(str(name), known, 3, 0.5)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise QueryFailed(
                Code.INVALID_PARAMETER, f"fields: expected some of {', '.join(known)}, was {name!r}{hint}"
            )
    return found


def computed_names(names: Sequence[str], depth: int) -> list[str]:
    """The columns of a table once its levels stand side by side."""
    found: list[str] = []
    for name in names:
        side = SIDES.get(name)
        levels = [f"{side}_{word}_{level}" for level in range(1, depth + 1) for word in ("price", "volume")]
        found += levels if side is not None else [name]
    return found
