"""`system.…`: what is watched of the system. A table of them; each names the scope that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from marketprism_application.access.scopes import Scope

SYSTEM = "SYSTEM"  # in the place of a stream, in tokens: it is kept by this instance, nowhere else
PREFIX = "system."


class SystemChannel(NamedTuple):
    """A channel. `part` is what it shows of the system, empty for one that is a tape."""

    scope: Scope
    part: str
    text: str


SYSTEM_CHANNELS: Mapping[str, SystemChannel] = {
    "system.health": SystemChannel(Scope.SYSTEM, "instances", "Every instance, and how it says it is."),
    "system.services": SystemChannel(Scope.SYSTEM, "services", "Every service, and how many instances are active."),
    "system.leaders": SystemChannel(Scope.SYSTEM, "leaders", "Who holds which lease, at which epoch."),
    "system.shards": SystemChannel(Scope.SYSTEM, "shards", "Which partitions each instance works on."),
    "system.streams": SystemChannel(Scope.SYSTEM, "streams", "What each stream holds."),
    "system.lags": SystemChannel(Scope.SYSTEM, "lags", "How far each stage is behind its input."),
    "system.alerts": SystemChannel(Scope.SYSTEM, "alerts", "What somebody should look at."),
    "system.events": SystemChannel(Scope.SYSTEM, "", "What services tell one another, as leases won and lost."),
}
EVENTS = "system.events"
