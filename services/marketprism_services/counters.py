"""Counters of the Chinese markets by the settings."""

from __future__ import annotations

from marketprism_adapters.ctp.settings import CounterSettings
from marketprism_services.settings import Settings

LIVE = ("ctp", "sopt")  # sources that log in somewhere: nothing of them can be read through before


def counter_of(settings: Settings, venue: str) -> CounterSettings:
    """Settings of a counter.

    Raises:
        SourceError: one of them is not what it should be.
    """
    given = getattr(settings, venue).model_dump()
    secrets = {name: given.pop(name).get_secret_value() for name in ("password", "auth_code")}
    return CounterSettings(venue, flow=settings.data_dir / "flow", **given, **secrets)
