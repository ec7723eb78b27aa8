"""What a sweep or a walk-forward says at its end, made of the documents of its tasks."""

from __future__ import annotations

from dataclasses import dataclass, field

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_application.contracts.backtests import BacktestRecord


@dataclass(frozen=True)
class Conclusion:
    """The last word of a record: its summary, or the reason why it has failed."""

    summary: dict[str, object] = field(default_factory=dict)
    code: str = ""
    error: str = ""
    digest: str = ""


class Conclusions:
    """Makes them."""

    def __init__(self, store: BacktestStore) -> None:
        self._store = store

    async def of(self, record: BacktestRecord) -> Conclusion:
        """What a record of many runs comes to."""
        return Conclusion({"runs": record.runs})


__all__ = ["Conclusion", "Conclusions"]
