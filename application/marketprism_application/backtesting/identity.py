"""What a run is known by: a hash of code, parameters, settings, terms and of the very rows that it read."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np

from marketprism_application.backtesting.agenda import changes
from marketprism_application.backtesting.columns import InstrumentData, Selection
from marketprism_application.backtesting.market import Market
from marketprism_application.backtesting.settings import RunSettings
from marketprism_application.backtesting.strategy import Parameters, Strategy

ENGINE_VERSION = 2  # one more whenever a change of the engine can change a result
_CANONICAL = msgspec.msgpack.Encoder(order="deterministic")


def digest_of(value: object) -> str:
    """SHA-256 of a plain value in its one canonical form."""
    return hashlib.sha256(_CANONICAL.encode(value)).hexdigest()


def data_digests(selection: Selection) -> dict[str, dict[str, str]]:
    """Of each series (`bar.1m shfe.ru1901`) and trading day a digest of its rows, so that a change says its day."""
    return {
        f"{name} {data.instrument.venue}.{data.instrument.symbol}": found
        for data in selection.instruments
        for name, found in _of_instrument(data).items()
    }


def _of_instrument(data: InstrumentData) -> dict[str, dict[str, str]]:
    grid = f"{data.unit.normalize()} {data.step.normalize()}".encode()
    found: dict[str, dict[str, str]] = {}
    for name, columns in data.series():
        days = columns.day
        edges = np.flatnonzero(np.r_[True, days[1:] != days[:-1], True])
        of_day = found[name] = {}
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            packed = hashlib.blake2b(grid, digest_size=16)
            for column in columns.values():
                packed.update(np.ascontiguousarray(column[start:end]).astype("<i8").tobytes())
            day = str(int(days[start]))
            of_day[day] = packed.hexdigest() if day not in of_day else digest_of([of_day[day], packed.hexdigest()])[:32]
    data.let_go()
    if data.holes:
        found["gaps"] = {"": digest_of([list(hole) for hole in data.holes])[:32]}
    for name, prices in (("settlements", data.settlements), ("settled_before", data.settled_before)):
        if prices:
            found[name] = {"": digest_of({day: str(price) for day, price in sorted(prices.items())})[:32]}
    if data.leads:
        found["leads"] = {"": digest_of([[str(part) for part in each] for each in data.leads])[:32]}
    if data.halts:
        found["halts"] = {"": digest_of([list(halt) for halt in sorted(data.halts)])[:32]}
    if data.funding:
        found["funding"] = {"": digest_of([[row.ts, str(row.rate), str(row.mark)] for row in data.funding])[:32]}
    return found


def session_digests(markets: Sequence[Market], selection: Selection) -> dict[str, str]:
    """Of each instrument a digest of its market's changes over the range: another calendar is another run."""
    ts_from, ts_to = selection.bounds()
    return {
        f"{market.venue}.{market.symbol}": digest_of([list(each) for each in changes(market.schedule, ts_from, ts_to)])
        for market in markets
    }


def code_digest(strategy: type[Strategy]) -> str:
    """Digest of a strategy's source, and of what it imports from its own package."""
    module = sys.modules[strategy.__module__]
    sources = {name: _source(each) for name, each in sorted(own_modules(module).items())}
    return digest_of({"class": strategy.__qualname__, "sources": sources})


def own_modules(module: ModuleType) -> dict[str, ModuleType]:
    """A module and those of its package that it uses, directly or through one another."""
    package = module.__name__.partition(".")[0]
    found: dict[str, ModuleType] = {}
    waiting = [module]
    while waiting:
        each = waiting.pop()
        if each.__name__ in found:
            continue
        found[each.__name__] = each
        for value in list(vars(each).values()):
            name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(name, str) and name.partition(".")[0] == package and name in sys.modules:
                waiting.append(sys.modules[name])
    return found


def _source(module: ModuleType) -> str:
    path = getattr(module, "__file__", None)
    if path is not None and Path(path).is_file():
        return Path(path).read_text(encoding="utf-8")
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):
        return module.__name__


def run_id(
    strategy: type[Strategy],
    params: Parameters,
    settings: RunSettings,
    selection: Selection,
    digests: Mapping[str, Mapping[str, str]],
    sessions: Mapping[str, str],
) -> str:
    """The id of a run: what gives equal ids gives equal results."""
    return digest_of(
        {
            "engine": ENGINE_VERSION,
            "code": code_digest(strategy),
            "params": params.model_dump(mode="json"),
            "settings": settings.plain(),
            "instruments": [data.instrument.plain() for data in selection.instruments],
            "sessions": dict(sessions),
            "rolls": [list(roll) for roll in selection.rolls],
            "data": {name: dict(days) for name, days in digests.items()},
        }
    )
