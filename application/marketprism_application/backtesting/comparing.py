"""Runs held beside one another: why one that was made again is another, and what several have."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal


def differences(stored: Mapping[str, object], again: Mapping[str, object]) -> list[str]:
    """Why a run that was made again is another one; nothing where it is equal. Both are documents of runs."""
    if stored.get("run_id") == again.get("run_id"):
        names = ("orders", "lots", "gross", "fees", "net")
        return [
            f"{name}: expected {stored.get(name)}, was {again.get(name)}"
            for name in names
            if Decimal(str(stored.get(name))) != Decimal(str(again.get(name)))
        ]
    found = []
    if stored.get("code") != again.get("code"):
        found.append("code changed: the strategy's source, or what it imports from its package")
    if _plain(stored.get("params")) != _plain(again.get("params")):
        found.append(f"params changed: {_named(_mapping(again, 'params'))}")
    before, now = _mapping(stored, "digests"), _mapping(again, "digests")
    for series in sorted({*before, *now}):
        one, other = _mapping(before, series), _mapping(now, series)
        days = [day for day in sorted({*one, *other}) if one.get(day) != other.get(day)]
        if days:
            found.append(f"data changed: {series} {', '.join(days[:10])}".rstrip())
    if _plain(stored.get("instruments")) != _plain(again.get("instruments")):
        found.append("terms changed: fees, margin or steps of an instrument")
    return found or ["engine changed: this version counts another way"]


def compared(runs: Mapping[str, Mapping[str, object]]) -> list[dict[str, object]]:
    """Rows of what runs have: a value of each run by its name, and whether they differ."""
    flat = {name: _flat(stored) for name, stored in runs.items()}
    keys = list(dict.fromkeys(key for each in flat.values() for key in each))
    return [
        {
            "what": key,
            **{name: each.get(key) for name, each in flat.items()},
            "differs": len({str(each.get(key)) for each in flat.values()}) > 1,
        }
        for key in keys
    ]


def _flat(stored: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in (
        "strategy",
        "state",
        "fill",
        "orders",
        "fills",
        "lots",
        "gross",
        "fees",
        "slippage",
        "funding",
        "net",
        "gap_exposure",
        "run_id",
    ):
        found[name] = stored.get(name)
    for part in ("params", "statistics"):
        found |= {f"{part}.{name}": value for name, value in _mapping(stored, part).items()}
    return found


def _mapping(document: Mapping[str, object], name: str) -> dict[str, object]:
    found = document.get(name)
    return {str(key): value for key, value in found.items()} if isinstance(found, Mapping) else {}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _named(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


__all__ = ["compared", "differences"]
