"""Which sources there are by name: known to those who only look at names, without what makes one."""

from __future__ import annotations

from marketprism_adapters.venues.registry import MARKETS

COUNTERS = ("ctp", "sopt")
LIVE = (*COUNTERS, *MARKETS)  # sources that connect somewhere: nothing of them can be read through before

__all__ = ["COUNTERS", "LIVE"]
