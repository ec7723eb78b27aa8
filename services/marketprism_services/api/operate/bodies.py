"""Bodies of operators' requests."""

from __future__ import annotations

import msgspec
from aiohttp import web

from marketprism_application.contracts.failures import wrong_field
from marketprism_application.errors import QueryError

_LONGEST = 262_144
_DEEPEST = 32


async def object_in(request: web.Request) -> dict[str, object]:
    """The JSON object of a request, an empty one where there is no body.

    Raises:
        QueryError: it is none, or too long.
    """
    data = await request.read()
    if not data:
        return {}
    if request.content_type != "application/json":
        raise QueryError(f"Content-Type: expected application/json, was {request.content_type[:64]!r}")
    if len(data) > _LONGEST:
        raise QueryError(f"body: expected at most {_LONGEST} bytes, was {len(data)}")
    try:
        found = msgspec.json.decode(data, type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise QueryError(wrong_field(error, "body")) from error
    if _is_deeper(found, _DEEPEST):
        raise QueryError(f"body: expected at most {_DEEPEST} levels, was deeper")
    return found


def _is_deeper(value: object, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            each
            for one in level
            if isinstance(one, dict | list)
            for each in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True
