"""Which sources there are by name: known to those who only look at names, without what makes one."""

from __future__ import annotations

from marketprism_adapters.venues.registry import MARKETS

COUNTERS = ("ctp", "sopt")
VNPY = "vnpy"  # with a gateway of VeighNa behind a colon
LIVE = (*COUNTERS, VNPY, *MARKETS)  # sources that connect somewhere: nothing of them can be read through before


def is_live(spec: str) -> bool:
    """Whether the source of a spec connects somewhere."""
    return spec.partition(":")[0] in LIVE


__all__ = ["COUNTERS", "LIVE", "VNPY", "is_live"]
