"""Which services share a process: a unit is those of one process, by name `validator+gateway` (ADR 77).

How `up` groups them comes from what each is busy with (`Work`), as its row says: first the market's messages apart from
everything else, then the store apart from what is asked; then the services of the market get a process of their own
one after the other, and then those that are asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from marketprism_services.platform.catalogue import Work, names, row_of
from marketprism_services.settings.errors import SettingsError

EACH = 0  # processes: one for each service
_JOINED = "+"
_TOGETHER = 3  # up to so many processes, what is busy with the same stays together
_MANY_CORES = 8


def unit_named(text: str) -> tuple[str, ...]:
    """The services of a unit, in the order in which they are started.

    Raises:
        SettingsError: one that there is not, or one named twice.
    """
    given = text.split(_JOINED)
    for each in given:
        row_of(each)
        if given.count(each) > 1:
            raise SettingsError(f"service: expected each once, was {each} {given.count(each)} times in {text!r}")
    return in_order(given)


def name_of(unit: Iterable[str]) -> str:
    """What a unit is called: as it is started, in its log's name, in the list of processes."""
    return _JOINED.join(unit)


def in_order(services: Iterable[str]) -> tuple[str, ...]:
    """Services in the order in which they are started."""
    wanted = set(services)
    return tuple(name for name in names() if name in wanted)


def units_of(services: Iterable[str], processes: int) -> list[tuple[str, ...]]:
    """Services grouped for a number of processes, `EACH` for one each; there are no more units than services."""
    wanted = in_order(services)
    if processes == EACH or processes >= len(wanted):
        return [(name,) for name in wanted]
    if processes == 1:
        return [wanted]
    market, store, asked = ([name for name in wanted if row_of(name).work is work] for work in Work)
    groups = [store + asked, market] if market and processes < _TOGETHER else [store, asked, market]
    groups = [group for group in groups if group]
    for group in (market, asked):
        while len(groups) < processes and len(group) > 1:
            groups.append([group.pop()])  # of the market the gateway first: it has a source to listen to
    return sorted((tuple(group) for group in groups), key=lambda unit: wanted.index(unit[0]))


def processes_for(cores: int) -> int:
    """How many processes `up` uses where nobody says: what is gained by more of them is the cores that they use."""
    return EACH if cores >= _MANY_CORES else max(_TOGETHER, cores)


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def unit_of(service: str, units: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """That in which a service is; empty where none has it."""
    return next((unit for unit in units if service in unit), ())


__all__ = ["EACH", "cores", "in_order", "name_of", "processes_for", "unit_named", "unit_of", "units_of"]
