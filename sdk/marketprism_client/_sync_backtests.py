"""`SyncMarketClient.backtests`: the methods of `MarketClient.backtests` for callers without an event loop."""

from __future__ import annotations

from typing import TypeAlias

from marketprism_application.contracts.backtests import Shown, StrategyShown, Submitted
from marketprism_client._backtests import Backtests
from marketprism_client._loop_thread import LoopThread

Names: TypeAlias = str | list[str]
Records: TypeAlias = list[Shown]
Strategies: TypeAlias = list[StrategyShown]


class SyncBacktests:
    """Runs, sweeps and walk-forwards; arguments and errors are those of `Backtests`."""

    def __init__(self, loop: LoopThread, backtests: Backtests) -> None:
        self._loop = loop
        self._backtests = backtests

    def run(self, strategy: str, instruments: Names, **fields: object) -> Submitted:
        """Have a strategy run; answers at once, `ended` waits."""
        return self._loop.run(self._backtests.run(strategy, instruments, **fields))

    def sweep(self, strategy: str, instruments: Names, space: dict[str, object], **fields: object) -> Submitted:
        """Have a strategy run with many sets of parameters."""
        return self._loop.run(self._backtests.sweep(strategy, instruments, space, **fields))

    def walk_forward(
        self,
        strategy: str,
        instruments: Names,
        space: dict[str, object],
        *,
        train: int,
        test: int,
        **fields: object,
    ) -> Submitted:
        """Choose parameters over days of training and run them on those behind."""
        asked = self._backtests.walk_forward(strategy, instruments, space, train=train, test=test, **fields)
        return self._loop.run(asked)

    def get(self, run_id: str) -> Shown:
        """What has become of a run, a sweep or a walk-forward, and how far it is."""
        return self._loop.run(self._backtests.get(run_id))

    def ended(self, run_id: str) -> Shown:
        """The record when it has ended, however that is."""
        return self._loop.run(self._backtests.ended(run_id))

    def list(self, **fields: object) -> Records:
        """Runs, sweeps and walk-forwards, the newest first."""
        return self._loop.run(self._backtests.list(**fields))

    def cancel(self, run_id: str) -> Shown:
        """End a run, a sweep or a walk-forward."""
        return self._loop.run(self._backtests.cancel(run_id))

    def table(self, run_id: str, part: str, *, offset: int = 0, limit: int = 10_000) -> object:
        """Rows of a part of a run's result."""
        return self._loop.run(self._backtests.table(run_id, part, offset=offset, limit=limit))

    def results(self, run_id: str, *, sort: str = "", offset: int = 0, limit: int = 100) -> dict[str, object]:
        """Results of a sweep, the best first."""
        return self._loop.run(self._backtests.results(run_id, sort=sort, offset=offset, limit=limit))

    def strategies(self) -> Strategies:
        """Strategies that can be run."""
        return self._loop.run(self._backtests.strategies())
