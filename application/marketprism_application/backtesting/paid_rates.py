"""Which rate of funding is paid at which instant, by the rates that a venue has written."""

from __future__ import annotations

from marketprism_application.backtesting.columns import FundingRow
from marketprism_domain.marketdata.funding_rate import FundingRate


class PaidRates:
    """Rates of one instrument, in the order in which they were written: the last one of an instant is paid. One that
    was settled and names no instant was paid when it was written; any other without an instant is paid at none."""

    def __init__(self) -> None:
        self._rows: dict[int, FundingRow] = {}

    def see(self, rate: FundingRate) -> None:
        """Take in the next rate."""
        ts = rate.ts_event if rate.settled and rate.ts_funding is None else rate.ts_funding
        if ts is not None:
            self._rows[ts] = FundingRow(ts, rate.rate.normalize(), rate.mark_price)

    def rows(self) -> tuple[FundingRow, ...]:
        """Settlements in order of time."""
        return tuple(self._rows[ts] for ts in sorted(self._rows))


__all__ = ["PaidRates"]
