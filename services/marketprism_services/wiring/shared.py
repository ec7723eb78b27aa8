"""What several services of a process may use, made once and only when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from marketprism_adapters.capture.tap import CaptureTap
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.appliers import Appliers

VERSION = "0.1.0"


@dataclass(frozen=True)
class Shared:
    """Each of these comes back the same at every call. There is a tap only where frames are captured. `appliers` are
    told by a service's wiring what it does when a setting changes while it runs."""

    calendar: Callable[[], MarketCalendar]
    tap: Callable[[], CaptureTap | None]
    appliers: Appliers = field(default_factory=Appliers)
    version: str = VERSION


def tap_of(settings: Settings, is_simulated: Callable[[Settings], bool]) -> CaptureTap | None:
    """Where the frames of the source go, by the settings, marked where `is_simulated` says so; None for nowhere."""
    capture = settings.capture
    if not capture.enabled:
        return None
    return CaptureTap(capture, capture.folder or settings.data_dir / "capture", simulated=is_simulated(settings))
