"""Fronts that stand in for real ones: in the process (`sim:<recordings>`), or shared by several (`sim://host:port`).

Where the compiled API is installed its classes stay the base: what is overridden here is what they talk to the network
with, the callbacks are theirs.
"""

from __future__ import annotations

import contextlib
from typing import Any

from marketprism_adapters.counters.api.library import Api, load
from marketprism_adapters.counters.simulated_front.local import SimMd, SimTd
from marketprism_adapters.counters.simulated_front.remote import RemoteMd, RemoteTd, address_of
from marketprism_adapters.counters.simulated_front.script import Script
from marketprism_application.errors import SourceError
from marketprism_domain.sessions.calendar import MarketCalendar


def simulated(spec: str, calendar: MarketCalendar, speed: float | None = None, venue: str = "ctp") -> Api:
    """API classes of a front that plays: each opening from the recording's beginning, or whatever the shared front
    plays at the moment; `speed` is that of a spec without one.

    Raises:
        SourceError: the spec is none.
    """
    md: tuple[type[Any], ...] = ()
    td: tuple[type[Any], ...] = ()
    with contextlib.suppress(SourceError):  # to be played to, nothing of the API is needed
        api = load(venue)
        md, td = (api.md,), (api.td,)
    if spec.startswith("sim://"):
        address_of(spec)
        return Api(type("Md", (RemoteMd, *md), {}), type("Td", (RemoteTd, *td), {}))
    script = Script(spec, calendar)
    script.options.setdefault("speed", "max" if speed is None else f"{speed:g}")
    members: dict[str, Any] = {"script": script}
    return Api(type("Md", (SimMd, *md), members), type("Td", (SimTd, *td), members))


__all__ = ["simulated"]
