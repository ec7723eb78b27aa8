"""Requests that nobody would send: bodies of bytes, of wrong types, of numbers beyond every bound, and such that are
nearly right."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.support.backtest_place import RUN

ORDER: dict[str, Any] = {
    "venue": "binance",
    "symbol": "BTC-USDT-PERP",
    "side": "buy",
    "quantity": "0.5",
    "price": "60000",
    "leverage": 10,
}
ORDERS: dict[str, dict[str, Any]] = {
    "/api/v1/orders/calculate": {**ORDER, "stop": "59000", "take": "62000", "type": "limit"},
    "/api/v1/orders/pnl": {**ORDER, "entry": 59000},
    "/api/v1/orders/size": {**ORDER, "budget": 3045, "risk": "100", "stop": "59000"},
    "/api/v1/orders/liquidation": {
        "venue": "binance",
        "wallet": 10000,
        "position_mode": "hedge",
        "positions": [{"symbol": "BTC-USDT-PERP", "side": "buy", "quantity": 2, "entry": 60000}],
    },
    "/api/calculate-order": {"price": 1, "entry_percent": 1, "stop_percent": 1, "take_percent": 2, "side": "long"},
}
_MORE = {"from": "2018-10-08", "to": "2018-10-11", "venue": "SHFE", "mode": "bar", "capital": "1000000", "force": False}
_SWEEP = {**RUN, **_MORE, "space": {"fast": [5, 10]}, "method": "grid", "objective": "sharpe", "constraint": "fast < 9"}
BACKTESTS: dict[str, dict[str, Any]] = {
    "/api/v1/backtests": {**RUN, **_MORE, "source": "", "confirm": True},
    "/api/v1/backtests/sweeps": {**_SWEEP, "samples": 3},
    "/api/v1/backtests/walk-forwards": {**_SWEEP, "train": 2, "test": 1, "anchored": False, "embargo": 0},
    "/api/backtest": {**RUN, **_MORE},
}
_ASKED = (
    "/api/v1/backtests?state={}&limit={}&before={}&after={}",
    "/api/v1/backtests/{}",
    "/api/v1/backtests/{}/fills?format={}&offset={}&limit={}",
    "/api/v1/backtests/{}/{}",
    "/api/v1/backtests/compare?ids={}",
    "/api/v1/backtests/sweeps/{}/results?sort={}&offset={}&limit={}",
    "/api/v1/orders/tables/{}",
)
_NUMBERS = (0, -1, 1, 2**31, 2**63 - 1, 2**63, 2**64, 10**400, -(10**30), 0.1, -0.0, 1e308, 1e-320, 5e-324)
_TEXTS = (
    "",
    " ",
    "0",
    "-1",
    "1e999999",
    "NaN",
    "Infinity",
    "-inf",
    "1_000",
    "0x10",
    "１２",
    "٣",
    "\x00",
    "\ud800",
    "a" * 5_000,
    "💥" * 300,
    "' OR 1=1 --",
    "{}",
    "../../etc/passwd",
    "%00",
    "2018-02-30",
    "2018-10-08T99:00",
    "9999-12-31",
    "0001-01-01",
    "1969-12-31",
    "ru1901",
    "cu1905",
    "binance",
    "SHFE",
    "buy",
    "sell",
    "1m",
    "1h",
    "fast",
    "sharpe",
    "done",
    "json",
    "csv",
    "parquet",
    "examples.double_average:DoubleAverage",
    "os:system",
    "odd.ones:Raises",
    "__class__",
    "fast < slow",
    "fast ** 99999",
    "((((",
    "\u202e",
    "NaT",
    "1.",
    ".5",
    "+5",
    "1,5",
    "1e-30",
    "0.000000000000000000000000000001",
    "9" * 60,
)


class Sent(NamedTuple):
    """One request."""

    method: str
    path: str
    body: bytes | None
    kind: str = "application/json"


def requests(seed: int, count: int, strategies: float) -> Iterator[Sent]:
    """So many requests, the same of one seed; a share of those about backtests names a strategy that there is: a child
    that looks at it takes most of a second."""
    chance = random.Random(seed)
    for _ in range(count):
        if chance.random() < 0.15:
            yield Sent("GET", _asked(chance), None)
            continue
        path, right = chance.choice(list((ORDERS if chance.random() < 0.5 else BACKTESTS).items()))
        kind = chance.choices(("application/json", "text/plain", "application/x-www-form-urlencoded"), (18, 1, 1))[0]
        yield Sent("POST", path, _body(chance, right, strategies), kind)


def _asked(chance: random.Random) -> str:
    path = chance.choice(_ASKED)
    words = [_text(chance).encode("utf-8", "replace").decode() for _ in range(path.count("{}"))]
    return path.format(*(quote(word[:200], safe="") or "-" for word in words))


def _body(chance: random.Random, right: dict[str, Any], strategies: float) -> bytes:
    how = chance.random()
    if how < 0.05:
        return chance.randbytes(chance.randrange(0, 200))
    if how < 0.1:
        data = json.dumps(right).encode()
        return data[: chance.randrange(len(data))]
    if how < 0.15:
        return json.dumps(_value(chance, 0)).encode("utf-8", "replace")
    if how < 0.17:
        depth = chance.choice((10, 1_000, 20_000))
        return b"[" * depth + b"]" * chance.choice((0, depth))
    changed = dict(right)
    for _ in range(chance.randrange(1, 4)):
        name = chance.choice([*changed, *right, _text(chance)])
        if chance.random() < 0.15:
            changed.pop(name, None)
        else:
            changed[name] = _near(chance, changed.get(name)) if chance.random() < 0.5 else _value(chance, 0)
    if "strategy" in changed and chance.random() > strategies:
        changed["strategy"] = _text(chance) if chance.random() < 0.9 else "os:system"
    return json.dumps(changed).encode("utf-8", "replace")


def _near(chance: random.Random, value: Any) -> Any:
    """A value of the same kind that is another."""
    if isinstance(value, dict):
        found = dict(value)
        found[chance.choice([*value, _text(chance)])] = _value(chance, 1)
        return found
    if isinstance(value, list | tuple):
        return [_near(chance, each) for each in value] * chance.choice((0, 1, 300))
    return chance.choice(_NUMBERS) if chance.random() < 0.5 else _text(chance)


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(8 if depth < 3 else 5)
    if kind == 0:
        return None
    if kind == 1:
        return chance.random() < 0.5
    if kind == 2:
        return chance.choice(_NUMBERS)
    if kind in (3, 4):
        return _text(chance)
    if kind == 5:
        return chance.choice((float("nan"), float("inf"), float("-inf")))  # JSON has none, and Python's writes them
    if kind == 6:
        return [_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {_text(chance): _value(chance, depth + 1) for _ in range(chance.randrange(4))}


def _text(chance: random.Random) -> str:
    if chance.random() < 0.8:
        return chance.choice(_TEXTS)
    return "".join(chr(chance.randrange(1, 0xD7FF)) for _ in range(chance.randrange(1, 12)))


__all__ = ["Sent", "requests"]
