"""What Deribit's names mean: intervals of klines, numbers of requests."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# Our intervals by the venue's resolutions: minutes, and a day.
RESOLUTIONS: Mapping[str, str] = {
    "1m": "1",
    "3m": "3",
    "5m": "5",
    "10m": "10",
    "15m": "15",
    "30m": "30",
    "1h": "60",
    "2h": "120",
    "3h": "180",
    "6h": "360",
    "12h": "720",
    "1d": "1D",
}
INTERVALS: Mapping[str, str] = {resolution: interval for interval, resolution in RESOLUTIONS.items()}
GREETING_ID, TEST_ID = 8211, 8212
_FIRST_ID = 10_000
_MOST = 1_000


def length_ms(resolution: str) -> int:
    """How long a bar is."""
    return (1_440 if resolution == "1D" else int(resolution)) * 60_000


class Request(NamedTuple):
    """A subscription, or the end of one: the caller's number for it, and its channels."""

    number: int
    channels: Sequence[str]
    undo: bool


class Requests:
    """What was asked under which id. An answer lists the channels that were taken, and says nothing of the others.

    Connections count for themselves; ids here are one venue's, so that an answer belongs to one request. `times` is how
    often each channel was subscribed: what it brings is one run of frames as long as that stays.
    """

    def __init__(self) -> None:
        self._ids = itertools.count(_FIRST_ID)
        self._asked: dict[int, Request] = {}
        self.times: Counter[str] = Counter()

    def __call__(self, request: Request) -> int:
        """The id for it. The oldest that were never answered are forgotten."""
        made = next(self._ids)
        self._asked[made] = request
        if not request.undo:
            self.times.update(request.channels)
        if len(self._asked) > _MOST:
            del self._asked[next(iter(self._asked))]
        return made

    def answered(self, made: object) -> Request | None:
        """The request that has this id; None when none waits for an answer to it."""
        return self._asked.pop(made, None) if isinstance(made, int) else None
