"""`system.…`: what operators watch. A table of them; each names the scope that it needs."""

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
    "system.health": SystemChannel(Scope.OPERATE, "instances", "Every instance, and how it says it is."),
    "system.services": SystemChannel(Scope.OPERATE, "services", "Every service, and how many instances are active."),
    "system.leaders": SystemChannel(Scope.OPERATE, "leaders", "Who holds which lease, at which epoch."),
    "system.shards": SystemChannel(Scope.OPERATE, "shards", "Which partitions each instance works on."),
    "system.streams": SystemChannel(Scope.OPERATE, "streams", "What each stream holds."),
    "system.lags": SystemChannel(Scope.OPERATE, "lags", "How far each stage is behind its input."),
    "system.alerts": SystemChannel(Scope.OPERATE, "alerts", "What somebody should look at."),
    "system.events": SystemChannel(Scope.OPERATE, "", "What services tell one another, as leases won and lost."),
}
EVENTS = "system.events"
