"""How many sides of a trade the exchanges' volumes count: both until the end of 2019, one since.

Source: the exchanges' notices of December 2019 (SHFE, INE, DCE and CZCE count one side from 2020-01-02); seen in
recordings: all 69 065 changes of volume of ru1901 in 2018 are even, of AP010 in August 2020 and of IF2101 in 2021 more
than half are odd.
"""

from __future__ import annotations

_BOTH_UNTIL = "20191231"
_COUNTED_BOTH = frozenset(("shfe", "ine", "dce", "czce"))


def volume_sides(venue: str, trading_day: str) -> int:
    """2 where the volume and turnover of a trading day (`YYYYMMDD`) count buyer and seller, else 1."""
    return 2 if venue in _COUNTED_BOTH and trading_day <= _BOTH_UNTIL else 1
