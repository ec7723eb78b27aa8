"""`MarketClient.backtests`: strategies run over stored rows by the backtest service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import msgspec

from marketprism_application.contracts.backtests import (
    ListBacktests,
    RunState,
    Shown,
    StrategyShown,
    SubmitBacktest,
    SubmitSweep,
    Submitted,
    SubmitWalkForward,
)
from marketprism_application.contracts.failures import Code, wrong_field
from marketprism_client._failures import QueryFailed, query_failures

if TYPE_CHECKING:
    from marketprism_client._session import Session

T = TypeVar("T")
Names: TypeAlias = str | list[str]
Records: TypeAlias = list[Shown]
Strategies: TypeAlias = list[StrategyShown]
_LOOK_S = 0.5
_LONG_S = 60.0  # a request is looked at in a child, and rows may have to be read


class Backtests:
    """Runs, sweeps and walk-forwards. Fields are those of the named request; `from_` and `to` are times or days.

    All raise QueryFailed: a field is wrong (INVALID_PARAMETER, STRATEGY_IMPORT_FAILED, NO_DATA), there is no such run
    (NOT_FOUND), or it is not for this caller; NoResponders, DeadlineExceeded, NotConnected (marketprism_sdk.errors):
    no backtest service answers.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def run(self, strategy: str, instruments: Names, **fields: object) -> Submitted:
        """Have a strategy run, `package.module:Class`: `contracts.backtests.SubmitBacktest`.

        `await market.backtests.run("examples.double_average:DoubleAverage", "ru1901", interval="1m",
        params={"fast": 10})` answers at once; `progress` and `ended` follow it.
        """
        return await self._submitted("run", strategy, instruments, fields, SubmitBacktest)

    async def sweep(self, strategy: str, instruments: Names, space: dict[str, object], **fields: object) -> Submitted:
        """Have a strategy run with many sets of parameters: `contracts.backtests.SubmitSweep`. With `kernel=True` all
        of them are ranked by the strategy's `signals`, and the best are run by events."""
        return await self._submitted("sweep", strategy, instruments, {**fields, "space": space}, SubmitSweep)

    async def walk_forward(
        self,
        strategy: str,
        instruments: Names,
        space: dict[str, object],
        *,
        train: int,
        test: int,
        **fields: object,
    ) -> Submitted:
        """Choose parameters over `train` trading days and run them on `test` days: `SubmitWalkForward`."""
        more = {**fields, "space": space, "train": train, "test": test}
        return await self._submitted("walk_forward", strategy, instruments, more, SubmitWalkForward)

    async def get(self, run_id: str) -> Shown:
        """What has become of a run, a sweep or a walk-forward, and how far it is."""
        return await self._asked("get", {"id": run_id}, Shown)

    async def list(self, **fields: object) -> Records:
        """Runs, sweeps and walk-forwards, the newest first: `contracts.backtests.ListBacktests`."""
        return await self._asked("list", msgspec.to_builtins(_request(fields, ListBacktests)), Records)

    async def cancel(self, run_id: str) -> Shown:
        """End a run, a sweep or a walk-forward."""
        return await self._asked("cancel", {"id": run_id}, Shown)

    async def table(self, run_id: str, part: str, *, offset: int = 0, limit: int = 10_000) -> object:
        """Rows of a part of a run's result: fills, orders, positions, decisions, equity, series, stats, gaps."""
        return await self._asked("table", {"id": run_id, "part": part, "offset": offset, "limit": limit}, object)

    async def results(self, run_id: str, *, sort: str = "", offset: int = 0, limit: int = 100) -> dict[str, object]:
        """Results of a sweep, the best first; before them how far the best can be trusted."""
        body = {"id": run_id, "sort": sort, "offset": offset, "limit": limit}
        return await self._asked("sweep_results", body, dict[str, object])

    async def strategies(self) -> Strategies:
        """Strategies that can be run, with the JSON Schema of their parameters."""
        return await self._asked("strategies", {}, Strategies)

    async def progress(self, run_id: str) -> AsyncIterator[Shown]:
        """The record whenever it has changed, the last time when it has ended.

        `async for seen in market.backtests.progress(run.run_id): print(seen.progress.share)`.
        """
        before: Shown | None = None
        while True:
            seen = await self.get(run_id)
            if seen != before:
                yield seen
            if RunState(seen.state).is_final:
                return
            before = seen
            await asyncio.sleep(_LOOK_S)

    async def ended(self, run_id: str) -> Shown:
        """The record when it has ended, however that is."""
        seen = await self.get(run_id)
        async for each in self.progress(run_id):
            seen = each
        return seen

    async def _submitted(
        self,
        method: str,
        strategy: str,
        instruments: Names,
        fields: dict[str, object],
        kind: type[msgspec.Struct],
    ) -> Submitted:
        names = [instruments] if isinstance(instruments, str) else instruments
        given = {"from" if name == "from_" else name: value for name, value in fields.items()}
        body = _request({"strategy": strategy, "instruments": names, **given}, kind)
        return await self._asked(method, msgspec.to_builtins(body), Submitted)

    async def _asked(self, method: str, body: object, answer: type[T]) -> T:
        with query_failures():
            timeout_s = max(self._session.timeout_s, _LONG_S)
            found = await self._session.line.call("backtest", method, body, timeout_s=timeout_s)
        return msgspec.convert(found, answer)


def _request(fields: dict[str, object], kind: type[T]) -> T:
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise QueryFailed(Code.INVALID_PARAMETER, wrong_field(error, "backtest")) from error
