"""Jobs that every installation has; `marketprism jobs` pauses, changes or removes them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from marketprism_application.contracts.schedule_records import JobDocument

BUILT_IN_JOBS: Mapping[str, JobDocument] = MappingProxyType(
    {
        "health-sweep": JobDocument(
            "every 5m",
            "monitor.health_sweep",
            catch_up="none",
            timeout="1m",
            note="Every service, leader and stream, the store's disks and all certificates are looked at.",
        ),
        "liquidation-burst": JobDocument(
            "every 1m",
            "monitor.check_liquidations",
            catch_up="none",
            timeout="50s",
            note="The liquidations of the last minute at each venue are compared with those of the hour before.",
        ),
        "funding-check": JobDocument(
            "every 8h +30s",
            "monitor.check_funding",
            catch_up="all",
            catch_up_window="16h",
            attempts=3,
            retry_pause="1m",
            note="Each perpetual has a funding rate for every instant at which funding was exchanged.",
        ),
        "open-interest-check": JobDocument(
            "every 15m +1m",
            "monitor.check_open_interest",
            note="The open interest of each instrument that has any is not older than half an hour.",
        ),
        "calendar-check": JobDocument(
            "cron 0 6 * * * Asia/Shanghai",
            "monitor.check_calendar",
            note="The closed days of the exchanges are announced for long enough.",
        ),
        "instruments-check": JobDocument(
            "cron 30 8 * * 1-5 Asia/Shanghai",
            "monitor.check_instruments",
            attempts=3,
            note="Every gateway that leads has read its list of instruments within a day.",
        ),
    }
)

__all__ = ["BUILT_IN_JOBS"]
