"""Requests that services publish at the API gateway: which method of a service stands under which path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote, urlencode

import msgspec

_PREFIX = "/api/v1"
_IN_PATH = re.compile(r"\{([a-z_]+)\}")


class Route(NamedTuple):
    """A method of HTTP and a path below the API's, whose `{names}` are fields of the body."""

    method: str
    path: str


class HttpRequest(NamedTuple):
    """A request as it is sent: values of the body that the path names are in it, of a GET or DELETE all are in the
    address, of others the rest is the JSON body."""

    method: str
    path: str
    body: bytes | None


_ORDER = {name: Route("POST", f"orders/{name}") for name in ("calculate", "pnl", "liquidation", "size")}
_DATA = {
    **{name: Route("POST", f"data/{name}") for name in ("downloads", "checks", "imports", "exports", "daily")},
    "recheck": Route("POST", "data/checks/{id}/recheck"),
    "repair": Route("POST", "data/checks/{id}/repairs"),
    "jobs": Route("GET", "data/jobs"),
    "job": Route("GET", "data/jobs/{id}"),
    "cancel": Route("DELETE", "data/jobs/{id}"),
    "report": Route("GET", "data/checks/{id}/reports/{number}"),
    "verdicts": Route("GET", "data/checks/{id}/verdicts"),
    "repaired": Route("GET", "data/repairs/{id}"),
    "coverage": Route("GET", "data/coverage/{symbol}"),
    "series": Route("GET", "data/series"),
    "revisions": Route("GET", "data/revisions/{symbol}"),
    "universe": Route("GET", "data/universe"),
}
_BACKTEST = {
    "run": Route("POST", "backtests"),
    "sweep": Route("POST", "backtests/sweeps"),
    "walk_forward": Route("POST", "backtests/walk-forwards"),
    "get": Route("GET", "backtests/{id}"),
    "list": Route("GET", "backtests"),
    "cancel": Route("DELETE", "backtests/{id}"),
    "table": Route("GET", "backtests/{id}/{part}"),
    "sweep_results": Route("GET", "backtests/sweeps/{id}/results"),
    "strategies": Route("GET", "backtests/strategies"),
}
_ORDER["tables"] = Route("GET", "orders/tables/{venue}")
PUBLISHED: Mapping[str, Mapping[str, Route]] = MappingProxyType(
    {"backtest": _BACKTEST} | {"data": _DATA} | {"order": _ORDER}
)


def request_of(route: Route, body: object) -> HttpRequest:
    """The request of HTTP that says what a body says over NATS; fields that are None are left out of an address."""
    values = dict(body) if isinstance(body, Mapping) else {}
    path = _IN_PATH.sub(lambda found: quote(_text(values.pop(found[1])), safe=""), route.path)
    if route.method in ("GET", "DELETE"):
        given = {name: _text(value) for name, value in values.items() if value is not None}
        query = f"?{urlencode(given)}" if given else ""
        return HttpRequest(route.method, f"{_PREFIX}/{path}{query}", None)
    return HttpRequest(route.method, f"{_PREFIX}/{path}", msgspec.json.encode(values))


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


__all__ = ["PUBLISHED", "HttpRequest", "Route", "request_of"]
