"""MarketBar: a closed bar and its corrections."""

from __future__ import annotations

from marketprism_domain.errors import InvariantBroken
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.values import OHLCV, Price, Quantity


class MarketBar:
    """Aggregate (symbol, venue, interval, open time).

    Keeps: high at or above open and close, low at or below them; a window that ends after it begins; immutable once
    closed: a correction is the next revision of the same window, never an edit.
    """

    def __init__(self, bar: Bar) -> None:
        OHLCV(Price(bar.open), Price(bar.high), Price(bar.low), Price(bar.close), Quantity(bar.volume))
        if bar.ts_close <= bar.ts_open:
            raise InvariantBroken(f"bar of {bar.symbol}: expected a close after {bar.ts_open}, was {bar.ts_close}")
        self._revisions = [bar]

    @property
    def bar(self) -> Bar:
        """The revision that stands."""
        return self._revisions[-1]

    def stood(self, ts: int) -> Bar | None:
        """The revision that stood at a time, nanoseconds UTC: the last of those that were published by then."""
        return next((bar for bar in reversed(self._revisions) if bar.ts_pub <= ts), None)

    @property
    def identity(self) -> tuple[str, str, str, int]:
        """Venue, symbol, interval, open time."""
        return self.bar.venue, self.bar.symbol, self.bar.interval, self.bar.ts_open

    def revise(self, bar: Bar) -> None:
        """Add the next revision.

        Raises:
            InvariantBroken: another bar's window, or not the next revision.
        """
        after = MarketBar(bar)
        if after.identity != self.identity or bar.ts_close != self.bar.ts_close:
            raise InvariantBroken(f"bar revision: expected the window of {self.identity}, was {after.identity}")
        if bar.revision != self.bar.revision + 1:
            raise InvariantBroken(f"bar revision: expected {self.bar.revision + 1}, was {bar.revision}")
        self._revisions.append(bar)

    def take(self, bar: Bar) -> bool:
        """Take a bar as a log has it, where a revision may come again, and one may be missing; False for one that is
        older than the one that stands.

        Raises:
            InvariantBroken: another bar's window.
            InvalidValue: prices that no bar has.
        """
        if bar.revision < self.bar.revision:
            return False
        after = MarketBar(bar)
        if after.identity != self.identity:
            raise InvariantBroken(f"bar revision: expected the window of {self.identity}, was {after.identity}")
        self._revisions.append(bar)
        return True
