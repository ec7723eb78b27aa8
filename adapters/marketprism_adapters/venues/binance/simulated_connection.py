"""One client of the simulated Binance: what its URL asks for, what it subscribes, in which form it has its frames."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from marketprism_adapters.venues.kit.dialect import Replies

_SIDES = ("public", "market", "private")
_PUBLIC = ("depth", "rpiDepth", "bookTicker", "trade")
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_DATA = '"data":'


class BinanceConnection:
    """Fulfils `Connection`: `/ws` has bare frames, `/stream` names the stream of each.

    USD-M pushes a stream on one of its sides only (since 2026-04-23): depth, best prices and raw trades on `public`,
    the rest on `market`. On the other one, and without a side, a subscription is confirmed and nothing comes of it.
    """

    def __init__(self, *, combined: bool, side: str | None, names: Iterable[str] = ()) -> None:
        self._combined = combined
        self._side = side  # None: the market has none
        self._asked = dict.fromkeys(names)
        self.streams: Sequence[str] = self._pushed(self._asked)

    @classmethod
    def at(cls, path: str, query: Mapping[str, str], *, sided: bool) -> BinanceConnection | None:
        """`/ws`, `/ws/<stream>`, `/stream`, `/stream?streams=<stream>/<stream>`; where it is sided, behind its side."""
        parts = [part for part in path.split("/") if part]
        side = parts.pop(0) if sided and parts and parts[0] in _SIDES else "" if sided else None
        form, *names = parts or [""]
        if form not in ("ws", "stream") or (form == "stream" and names):
            return None
        if form == "stream":
            names = [name for name in query.get("streams", "").split("/") if name]
        return cls(combined=form == "stream", side=side, names=names)

    def _pushed(self, names: Iterable[str]) -> list[str]:
        """Those of them that this connection is sent."""
        return [name for name in names if self._side is None or self._side == side_of(name)]

    def framed(self, frame: str) -> str:
        """With its stream's name, or bare."""
        return frame if self._combined else frame[frame.index(_DATA) + len(_DATA) : -1]

    def on_message(self, message: str) -> Replies:
        """A request; what it refuses, it refuses in the words of Binance's "Error Messages"."""
        try:
            asked = json.loads(message)
        except ValueError:
            return _refused(None, 3, "Invalid JSON: expected value at line 1 column 1")
        if not isinstance(asked, dict) or "method" not in asked:
            return _refused(asked, 2, f"Invalid request: missing field `method` at line 1 column {len(message)}")
        method, params = asked["method"], asked.get("params", [])
        if method not in _METHODS:
            expected = ", ".join(f"`{name}`" for name in _METHODS)
            return _refused(asked, 2, f"Invalid request: unknown variant `{method}`, expected one of {expected}")
        if method == "LIST_SUBSCRIPTIONS":
            return _done(asked, list(self._asked))
        if not isinstance(params, list):
            return _refused(asked, 2, "Invalid request: expected params to be a sequence")
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(asked, params, change=method == "SET_PROPERTY")
        if not all(isinstance(name, str) for name in params):
            return _refused(asked, 2, "Invalid request: expected params to be strings")
        if method == "UNSUBSCRIBE":
            for name in params:
                self._asked.pop(name, None)
            return _done(asked)._replace(removed=params)
        self._asked.update(dict.fromkeys(params))
        return _done(asked)._replace(added=self._pushed(params))

    def _property(self, asked: dict[str, Any], params: list[Any], *, change: bool) -> Replies:
        name, *values = params or [None]
        if not isinstance(name, str):
            return _refused(asked, 2, "Invalid request: property name must be a string")
        if name != "combined":
            return _refused(asked, 0, "Unknown property")
        if not change:
            return _done(asked, self._combined)
        if len(values) != 1 or not isinstance(values[0], bool):
            return _refused(asked, 1, "Invalid value type: expected Boolean")
        self._combined = values[0]
        return _done(asked)


def side_of(stream: str) -> str:
    """The side of USD-M that pushes it; `!bookTicker` is of all instruments."""
    name, _, kind = stream.partition("@")
    kind = name.removeprefix("!") if name.startswith("!") else kind.partition("@")[0]
    return "public" if kind.rstrip("0123456789") in _PUBLIC else "market"


def _done(asked: dict[str, Any], result: object = None) -> Replies:
    return Replies((json.dumps({"result": result, "id": asked.get("id")}),))


def _refused(asked: object, code: int, text: str) -> Replies:
    named = {"id": asked["id"]} if isinstance(asked, dict) and "id" in asked else {}
    return Replies((json.dumps({"code": code, "msg": text, **named}),))
