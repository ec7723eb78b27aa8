"""Many runs of one strategy over the same rows, by as many processes as are asked for; each run is a single run's."""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from marketprism_application.backtesting.columns import Selection
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.loading import load_strategy, parameters_of
from marketprism_application.backtesting.result_tables import brief_document
from marketprism_application.backtesting.runs import RunSpec
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.service import die_with_parent
from marketprism_services.backtest.child_given import Given, Trial
from marketprism_services.backtest.child_messages import Found, Frame, Walk
from marketprism_services.backtest.child_walk import walk
from marketprism_services.backtest.row_files import read_rows, write_rows
from marketprism_services.cli.backtest_options import BacktestOptions
from marketprism_services.cli.backtest_rows import Asked, Limits, run_limited

Result = dict[str, object]
Numbered = tuple[int, dict[str, object]]


@dataclass(frozen=True)
class Work:
    """What every process of a pool works on: options, limits, the folder of strategies, and where the rows lie."""

    options: BacktestOptions
    limits: Limits
    folder: str
    rows: str
    calendar: bytes


class Runner:
    """Runs a strategy over rows, once for each set of parameters."""

    def __init__(self, work: Work, selection: Selection | None = None) -> None:
        self.work = work
        self.strategy = load_strategy(work.options.strategy, Path(work.folder))
        self.calendar: MarketCalendar = pickle.loads(work.calendar)  # noqa: S301 (the parent's own)
        self.selection = read_rows(Path(work.rows)) if selection is None else selection

    def run(self, number: int, params: dict[str, object]) -> Result:
        """What a set has come to; one that cannot begin has failed, and the others go on."""
        try:
            return {"number": number, **self.run_one(Trial(number, params, self.selection))}
        except BacktestError as error:
            failed = {"code": str(error.code), "text": str(error)}
            return {"number": number, "params": params, "state": "failed", "error": failed}

    def run_one(self, trial: Trial) -> Result:
        """Run once over some rows. Raises BacktestError: it cannot begin."""
        options = self.work.options
        spec = RunSpec(self.strategy, parameters_of(self.strategy, trial.params), options.settings(), options.strategy)
        asked = Asked(self.calendar, trial.rows, ())
        return brief_document(run_limited(asked, spec, self.work.limits, strict=options.strict))

    def walk(self, window: Walk) -> Result:
        """What a window of a walk-forward has come to."""
        frames: list[Frame] = []
        try:
            walk(window, Given.of(self.strategy, window), frames.append, self.run_one)
        except BacktestError as error:
            failed = {"code": str(error.code), "text": str(error)}
            return {"number": window.number, "state": "failed", "error": failed}
        found = frames[-1]
        assert isinstance(found, Found)  # noqa: S101 (what it says at its end)
        return {"number": window.number, **found.document}


class Pool:
    """As many processes as workers; one worker is this process itself."""

    def __init__(self, work: Work, selection: Selection, workers: int) -> None:
        self._runner = Runner(work, selection) if workers == 1 else None
        self._executor = (
            None
            if workers == 1
            else ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(work,))
        )

    def runs(self, sets: Iterable[Numbered]) -> Iterator[Result]:
        """What sets have come to, in the order in which they end."""
        if self._executor is None:
            assert self._runner is not None  # noqa: S101 (one of both is there)
            yield from (self._runner.run(number, params) for number, params in sets)
            return
        yield from self._ended([self._executor.submit(_run, number, params) for number, params in sets])

    def walks(self, windows: Iterable[Walk]) -> Iterator[Result]:
        """What windows have come to, in the order in which they end."""
        if self._executor is None:
            assert self._runner is not None  # noqa: S101 (one of both is there)
            yield from (self._runner.walk(window) for window in windows)
            return
        yield from self._ended([self._executor.submit(_walk, window) for window in windows])

    @staticmethod
    def _ended(futures: list[Future[Result]]) -> Iterator[Result]:
        try:
            for each in as_completed(futures):
                yield each.result()
        except BrokenProcessPool as error:
            raise BacktestError(
                "workers: expected each to go on, one has ended: too little memory, or a fault outside Python"
            ) from error

    def close(self) -> None:
        """End the processes; runs that have not begun are not begun any more."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def pool_of(options: BacktestOptions, asked: Asked, limits: Limits, workers: int) -> Iterator[tuple[Pool, Work]]:
    """A pool for rows, which its processes map into their memory. Raises BacktestError: fewer than one worker."""
    if workers < 1:
        raise BacktestError(f"workers: expected 1 or more, was {workers}")
    with tempfile.TemporaryDirectory(prefix="marketprism-sweep-") as folder:
        rows = Path(folder) / "rows"
        write_rows(asked.selection, rows)
        work = Work(options, limits, str(Path.cwd()), str(rows), pickle.dumps(asked.calendar))
        pool = Pool(work, asked.selection, workers)
        try:
            yield pool, work
        finally:
            pool.close()


_runner: list[Runner] = []  # of this process, where it is one of a pool


def _begin(work: Work) -> None:
    arrange: Callable[[], None] | None = die_with_parent()
    if arrange is not None:
        arrange()
    _runner.append(Runner(work))


def _run(number: int, params: dict[str, object]) -> Result:
    return _runner[0].run(number, params)


def _walk(window: Walk) -> Result:
    return _runner[0].walk(window)


__all__ = ["Numbered", "Pool", "Result", "Work", "pool_of"]
