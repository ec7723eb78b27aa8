"""A dataset: which rows of which instrument over which time."""

from __future__ import annotations

from dataclasses import dataclass

from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import InstrumentId, Interval, TimeWindow


@dataclass(frozen=True)
class Dataset:
    """Rows of one kind of one instrument in [ts_from, ts_to), nanoseconds UTC; `interval` is empty where there is none.

    Raises:
        InvalidValue: no instrument, interval or range that there could be.
    """

    kind: str
    venue: str
    symbol: str
    interval: str
    ts_from: int
    ts_to: int

    def __post_init__(self) -> None:
        InstrumentId.of(self.venue, self.symbol)
        if self.interval:
            Interval.parse(self.interval)
        if self.ts_to <= self.ts_from:
            raise InvalidValue("range", "an end after its begin", (self.ts_from, self.ts_to))

    @property
    def span(self) -> TimeWindow:
        """The time that is looked at."""
        return TimeWindow(self.ts_from, self.ts_to)
