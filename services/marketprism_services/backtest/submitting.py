"""From a request to a record: everything that can be wrong with it is said before anything is put onto the queue."""

from __future__ import annotations

import asyncio
import secrets
import time
from functools import partial
from typing import NamedTuple, cast

import msgspec

from marketprism_adapters.nats.backtest_store import BacktestStore, Stored
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.identity import digest_of
from marketprism_application.backtesting.options import option_values, settings_of, terms_of
from marketprism_application.backtesting.stored_rows import Ask
from marketprism_application.contracts.backtest_rows import RecordsAsked
from marketprism_application.contracts.backtests import (
    MOST_INSTRUMENTS,
    MOST_SOURCE,
    BacktestRecord,
    Kind,
    RunQuestion,
    RunState,
    SubmitBacktest,
    SubmitSweep,
    Submitted,
    SubmitWalkForward,
    SweepQuestion,
)
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.contracts.times import iso_short, parse_time
from marketprism_application.queries.checks import check_interval
from marketprism_application.sweeps.windows import walk_forward_windows
from marketprism_domain.errors import InvalidValue
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import Caller
from marketprism_services.backtest.child_messages import Check, Found, Refused, Work
from marketprism_services.backtest.child_process import ChildDied
from marketprism_services.backtest.child_walk import days_of
from marketprism_services.backtest.many_runs import SETS
from marketprism_services.backtest.objectives import objectives
from marketprism_services.backtest.refusals import refused, wrong
from marketprism_services.backtest.row_files import read_rows
from marketprism_services.backtest.seeing import check_may_run, name_of
from marketprism_services.backtest.stored_places import StoredRows
from marketprism_services.backtest.stored_results import StoredResults
from marketprism_services.backtest.tasks import SOURCE, Executor
from marketprism_services.settings.backtest import BacktestSettings

_CHECK_S = 30.0
_KNOWN_S, _LOOK_S = 8.0, 0.05
_TEN_YEARS = 10 * 366 * 86_400 * 10**9


class Submissions:
    """Takes requests. Every instance does: the coordinator finds what was written."""

    def __init__(
        self, store: BacktestStore, results: StoredResults, executor: Executor, ask: Ask, settings: BacktestSettings
    ) -> None:
        self._store, self._results, self._executor, self._settings = store, results, executor, settings
        self._rows = StoredRows(ask)

    async def run(self, asked: SubmitBacktest, caller: Caller | None, *, follow_of: str = "") -> Submitted:
        """A run. Raises RemoteError: it cannot be, with the field and the value."""
        found = await self._checked(asked, caller, Check(asked.params))
        record = self._record(found, caller, Kind.RUN, asked, follow_of=follow_of)
        return await self._submitted(record, asked, found, {})

    async def sweep(self, asked: SubmitSweep, caller: Caller | None) -> Submitted:
        """A sweep. Raises as `run`."""
        found = await self._checked(asked, caller, _space_of(asked))
        sets = cast("list[dict[str, object]]", found.answer["sets"])
        sweep = _sweep_of(asked, len(sets))
        await self._check_room(caller, found.rows, len(sets))
        if asked.kernel:
            try:
                await self._executor.check_kernel(found.question)
            except BacktestError as error:
                raise refused(str(error.code), str(error)) from error
        record = self._record(found, caller, Kind.SWEEP, asked, sweep=sweep, runs=len(sets))
        return await self._submitted(record, asked, found, {SETS: msgspec.msgpack.encode(sets)})

    async def walk_forward(self, asked: SubmitWalkForward, caller: Caller | None) -> Submitted:
        """A walk-forward; its windows are over the trading days that have rows. Raises as `run`."""
        if asked.kernel:
            raise wrong("kernel", "expected none, a walk-forward ranks by itself where it can", asked.kernel)
        found = await self._checked(asked, caller, _space_of(asked))
        sets = cast("list[dict[str, object]]", found.answer["sets"])
        try:
            folder = await self._executor.folder_of(found.question)
            days = await asyncio.to_thread(lambda: days_of(read_rows(folder)))
            windows = walk_forward_windows(
                days, train=asked.train, test=asked.test, embargo=asked.embargo, anchored=asked.anchored
            )
        except BacktestError as error:
            raise refused(str(error.code), str(error)) from error
        sweep = msgspec.structs.replace(
            _sweep_of(asked, len(sets)),
            train=asked.train,
            test=asked.test,
            anchored=asked.anchored,
            embargo=asked.embargo,
        )
        await self._check_room(caller, found.rows, len(sets) * len(windows))
        document = [{"sets": sets, "train": each.train, "test": each.test} for each in windows]
        record = self._record(found, caller, Kind.WALK_FORWARD, asked, sweep=sweep, runs=len(windows))
        return await self._submitted(record, asked, found, {SETS: msgspec.msgpack.encode(document)})

    async def check(self, work: Work, strategy: str, source: str) -> dict[str, object]:
        """The answer of a child about a strategy. Raises RemoteError."""
        data = source.encode() if source else None
        job = partial(self._executor.job, work, strategy)
        try:
            async with (
                asyncio.timeout(_CHECK_S),
                self._executor.strategy_file(strategy, data) as file,
                self._executor.child(job(file)) as child,
            ):
                async for frame in child.frames():
                    if isinstance(frame, Refused):
                        raise refused(frame.code, frame.text)
                    if isinstance(frame, Found):
                        return frame.document
        except ChildDied as error:
            raise refused(Code.STRATEGY_IMPORT_FAILED, f"strategy: {error}") from error
        except TimeoutError:
            text = f"strategy: expected to be imported within {_CHECK_S:g} s, was not"
            raise refused(Code.STRATEGY_IMPORT_FAILED, text) from None
        raise refused(Code.STRATEGY_IMPORT_FAILED, "strategy: expected an answer of the child, was none")

    # What is wrong with it

    async def _checked(self, asked: SubmitBacktest, caller: Caller | None, check: Check) -> _Checked:
        self._check_strategy(asked)
        options, remarks, (ts_from, ts_to) = self._words(asked)
        now = time.time_ns()
        question = RunQuestion(
            strategy=asked.strategy,
            code="",
            params={},
            instruments=tuple(dict.fromkeys(asked.instruments)),
            venue=asked.venue,
            interval=asked.interval,
            ts_from=ts_from,
            ts_to=ts_to,
            options=options,
            as_of=now,
        )
        check = msgspec.structs.replace(check, strict=options["strict"] is True)
        answer, places = await asyncio.gather(
            self.check(check, asked.strategy, asked.source), self._rows.places(question), return_exceptions=True
        )
        for each in (answer, places):
            if isinstance(each, BaseException):
                raise each
        assert isinstance(answer, dict)  # noqa: S101 (as above)
        assert isinstance(places, list)  # noqa: S101 (as above)
        question = msgspec.structs.replace(
            question,
            code=str(answer["code"]),
            params=answer["params"],
            venue=places[0].venue if len({each.venue for each in places}) == 1 else asked.venue,
            instruments=tuple(dict.fromkeys(each.symbol for each in places)),
            source=digest_of(asked.source) if asked.source else "",
        )
        check_may_run(caller, question)
        rows = await self._rows.estimate(question, places)
        await self._check_room(caller, rows, 1)
        return _Checked(question, answer, rows, remarks)

    def _check_strategy(self, asked: SubmitBacktest) -> None:
        if asked.source:
            if not self._settings.allow_upload:
                raise RemoteError(
                    Code.FORBIDDEN,
                    "source: expected none, uploads are off (backtest.allow_upload)",
                    {"field": "source"},
                )
            size = len(asked.source.encode())
            if size > MOST_SOURCE:
                raise wrong("source", f"expected at most {MOST_SOURCE} bytes", size)
            name = asked.strategy.partition(":")[0]
            if not name.removesuffix(".py").isidentifier() or not name.endswith(".py"):
                raise wrong("strategy", "expected file.py:Class of the uploaded file", asked.strategy)
            return
        package = asked.strategy.partition(":")[0].partition(".")[0]
        if package not in self._settings.packages:
            allowed = ", ".join(self._settings.packages) or "none"
            raise wrong("strategy", f"expected one of a package of {allowed} (backtest.packages)", asked.strategy)

    @staticmethod
    def _words(
        asked: SubmitBacktest,
    ) -> tuple[dict[str, object], tuple[str, ...], tuple[int | None, int | None]]:
        """Options, remarks and the range."""
        if not asked.instruments or len(asked.instruments) > MOST_INSTRUMENTS:
            raise wrong("instruments", f"expected 1 to {MOST_INSTRUMENTS}", len(asked.instruments))
        with_names: dict[str, object] = {"fill": asked.mode, "capital": asked.capital, **asked.settings}
        remarks = []
        try:
            options = dict[str, object](option_values(with_names))
            settings_of(options)
            terms_of(options)
            if asked.interval:
                check_interval(asked.interval)
            ts_from, ts_to = (
                parse_time(value if value != "" else None, name)
                for value, name in ((asked.start, "from"), (asked.end, "to"))
            )
        except BacktestError as error:
            raise refused(str(error.code), str(error)) from error
        except (ValueError, InvalidValue) as error:
            raise refused(Code.INVALID_PARAMETER, str(error)) from error
        now = time.time_ns()
        if ts_to is not None and ts_to > now:
            remarks.append(f"to: {asked.end} is still to come, the run ends now: {iso_short(now)}")
            ts_to = now
        if ts_from is not None and ts_from >= (ts_to if ts_to is not None else now):
            raise wrong("from", f"expected before to ({asked.end or 'now'})", asked.start)
        is_long = ts_from is not None and (ts_to or now) - ts_from > _TEN_YEARS
        if is_long and asked.interval in ("", "1m") and not asked.confirm:
            raise wrong("from", "expected at most ten years of minutes, or confirm", asked.start)
        return options, tuple(remarks), (ts_from, ts_to)

    async def _check_room(self, caller: Caller | None, rows: int, runs: int) -> None:
        """Raises RemoteError: TOO_MANY_REQUESTS, this user has too much under way."""
        user, most = name_of(caller), self._settings.most_rows
        under_way = sum(
            each.record.estimate * (each.record.runs - each.record.done)
            for each in await self._store.records()
            if each.record.user == user and not each.record.state.is_final
        )
        if under_way + rows * runs > most:
            wanted = under_way + rows * runs
            text = f"rows: expected at most {most:.3g} rows x runs under way of {user}, was {wanted:.3g}"
            raise RemoteError(Code.TOO_MANY_REQUESTS, text, {"field": "rows"}, retryable=True)

    # Into the store

    @staticmethod
    def _record(
        found: _Checked,
        caller: Caller | None,
        kind: Kind,
        asked: SubmitBacktest,
        *,
        sweep: SweepQuestion | None = None,
        runs: int = 1,
        follow_of: str = "",
    ) -> BacktestRecord:
        bare = msgspec.structs.replace(found.question, as_of=0)
        named = [kind.value, msgspec.to_builtins(bare), msgspec.to_builtins(sweep)]
        return BacktestRecord(
            id=secrets.token_hex(8),
            kind=kind,
            state=RunState.QUEUED,
            user=name_of(caller),
            key=digest_of(named)[:40],
            question=found.question,
            created_at=time.time_ns(),
            sweep=sweep,
            runs=runs,
            estimate=found.rows,
            force=asked.force,
            follow_of=follow_of,
        )

    async def _submitted(
        self, record: BacktestRecord, asked: SubmitBacktest, found: _Checked, documents: dict[str, bytes]
    ) -> Submitted:
        """Write a record, unless the same question is under way; one that was asked before may be known."""
        if asked.source:
            documents = {**documents, SOURCE: asked.source.encode()}
        before: str | None = None
        while True:
            before = await self._store.newest_of(record.key)
            stored = await self._store.record(before) if before is not None else None
            if stored is not None and not stored.record.state.is_final and not asked.force:
                return Submitted(
                    stored.record.id, stored.record.state, cached=False, following=True, remarks=found.remarks
                )
            # What it needs first, then the word that it is there.
            for name, data in documents.items():
                await self._store.documents.put(f"{record.id}.{name}", data)
            await self._store.create(record)
            if await self._store.claim(record.key, record.id, before):
                break
            await self._store.forget(record)
        may_be_known = record.kind is Kind.RUN and not asked.force and not record.follow_of
        if may_be_known and await self._was_done(stored, record.key):
            same = await self._same_as(record.id)
            if same:
                return Submitted(same, RunState.DONE, cached=True, remarks=found.remarks)
        return Submitted(record.id, RunState.QUEUED, remarks=found.remarks)

    async def _was_done(self, stored: Stored | None, key: str) -> bool:
        """Whether a question has a result already, of the record that is named or one that is stored for good."""
        if stored is not None and stored.record.state is RunState.DONE:
            return True
        return bool(await self._results.records(RecordsAsked(key=key, state=RunState.DONE, limit=1)))

    async def _same_as(self, id_: str) -> str:
        """The run whose result this one has, as soon as its rows are read; empty where that takes long or it has its
        own."""
        end = time.monotonic() + _KNOWN_S
        while time.monotonic() < end:
            stored = await self._store.record(id_)
            if stored is None or stored.record.state.is_final:
                return stored.record.same_as if stored is not None else ""
            if any(each.now for each in await self._store.progress(id_)):
                return ""  # it runs
            await asyncio.sleep(_LOOK_S)
        return ""


class _Checked(NamedTuple):
    """A question, what the child has answered, about how many rows it is of, and what was done to the request."""

    question: RunQuestion
    answer: dict[str, object]
    rows: int
    remarks: tuple[str, ...]


def _sweep_of(asked: SubmitSweep, runs: int) -> SweepQuestion:
    return SweepQuestion(
        space=asked.space,
        method=asked.method,
        samples=asked.samples,
        constraint=asked.constraint,
        objective=asked.objective,
        runs=runs,
        kernel=asked.kernel,
    )


def _space_of(asked: SubmitSweep) -> Check:
    """Raises RemoteError: runs cannot be ranked by the objective."""
    if asked.objective not in objectives():
        near = did_you_mean(asked.objective, objectives())
        raise wrong("objective", f"expected a statistic as sharpe, or net{near}", asked.objective)
    return Check(
        asked.params,
        space=asked.space,
        method=asked.method,
        samples=asked.samples,
        constraint=asked.constraint,
        seed=int(str(asked.settings.get("seed", 0) or 0)),
        rank_by=asked.objective if asked.kernel else "",
    )


__all__ = ["Submissions"]
