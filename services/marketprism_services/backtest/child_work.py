"""What a child does with its job: looks a strategy up, runs it, or proves fills; what it finds it says in frames."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import inspect
import os
import pkgutil
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import pyarrow as pa

from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.errors import BacktestError, LimitExceeded
from marketprism_application.backtesting.identity import (
    code_digest,
    data_digests,
    run_id,
    session_digests,
)
from marketprism_application.backtesting.kernel import compile_kernels
from marketprism_application.backtesting.loading import load_strategy, parameters_of
from marketprism_application.backtesting.options import settings_of
from marketprism_application.backtesting.repeatability import check_repeatable
from marketprism_application.backtesting.report_page import report_page
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.result_tables import (
    active_of,
    brief_document,
    fills_of,
    result_tables,
    run_document,
)
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.backtesting.verification import verify_fills
from marketprism_application.sweeps.robustness import dearer_options, dearer_rows
from marketprism_application.sweeps.shortlist import CONFIRMED, Foreign
from marketprism_services.backtest.child_given import Given, Trial
from marketprism_services.backtest.child_limits import Progress, guarded
from marketprism_services.backtest.child_messages import (
    Check,
    End,
    Found,
    Frame,
    Identity,
    Job,
    Listing,
    Part,
    Rank,
    Refused,
    Runs,
    Verify,
    Walk,
    Work,
    packed,
)
from marketprism_services.backtest.guard import NoOutside, limited
from marketprism_services.backtest.row_files import read_rows

ENTRY_POINTS = "marketprism.strategies"


def do(job: Job, out: BinaryIO) -> int:
    """Do a job, and say what came of it; the exit code is 0 wherever that could be said."""
    _make_ready(job.work)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    child = _Child(job, _Sender(out))
    try:
        with NoOutside.during():
            child.do()
    except BacktestError as error:
        child.send(Refused(-1, str(error.code), str(error)))
    except MemoryError:
        child.send(Refused(-1, LimitExceeded.code, f"memory: expected less than {job.limits.memory_mb} MB"))
    child.send(End(time.process_time()))
    out.flush()
    os._exit(0)  # whatever a strategy has left running


def _make_ready(work: Work) -> None:
    """What may load libraries and write files, before code of a strategy is there, and neither is allowed any more."""
    if isinstance(work, Rank) or (isinstance(work, Walk) and len(work.sets) > CONFIRMED):
        compile_kernels()


class _Sender:
    """Frames from two threads, each whole."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._lock = out, threading.Lock()

    def send(self, frame: Frame) -> None:
        data = packed(frame)
        with self._lock:
            self._out.write(data)
            self._out.flush()


class _Child:
    def __init__(self, job: Job, sender: _Sender) -> None:
        self._job, self.send = job, sender.send
        self._progress = Progress(sender.send)

    def do(self) -> None:
        work = self._job.work
        if isinstance(work, Listing):
            self.send(Found(0, {"strategies": _listed(self._job)}))
        elif isinstance(work, Verify):
            self.send(Found(0, _verified(work)))
        elif isinstance(work, Check):
            self.send(Found(0, self._checked(work)))
        elif isinstance(work, Runs):
            self._run_all(work)
        elif isinstance(work, Rank):
            from marketprism_services.backtest.child_rank import rank  # noqa: PLC0415 (few do)

            rank(work, self._given(work), self.send, self._foreign(len(work.sets)))
        else:
            from marketprism_services.backtest.child_walk import walk  # noqa: PLC0415 (few do)

            given = self._given(work)
            walk(work, given, self.send, lambda trial: brief_document(self._result(given, trial)))

    def _foreign(self, sets: int) -> Foreign:
        """The limits of one run for what a strategy says of one of so many sets."""

        @contextlib.contextmanager
        def entered(number: int) -> Iterator[None]:
            self._progress.follow_ranking(number, sets)
            try:
                with guarded(self._job.limits, self._progress):
                    yield
            finally:
                self._progress.follow_ranking(number, 0)

        return entered

    def _strategy(self) -> type[Strategy]:
        """The class that the job names. Raises StrategyImportError, LimitExceeded."""
        job = self._job
        with limited(lambda: 0, seconds=job.limits.stall_s, memory_mb=job.limits.memory_mb):
            return load_strategy(job.strategy, Path(job.file or job.path or "/nonexistent"))

    def _checked(self, work: Check) -> dict[str, object]:
        strategy = self._strategy()
        if work.strict:
            check_repeatable(strategy)
        if work.rank_by:
            from marketprism_services.backtest.child_rank import check  # noqa: PLC0415 (only of sweeps)

            check(strategy, work.rank_by)
        params = parameters_of(strategy, work.params).model_dump(mode="json")
        found: dict[str, object] = {"params": params, "code": code_digest(strategy)}
        if work.method:
            from marketprism_services.backtest.child_spaces import sets_of  # noqa: PLC0415 (only of sweeps)

            found["sets"] = sets_of(work, strategy)
        return found

    def _given(self, work: Rank | Runs | Walk) -> Given:
        return Given.of(self._strategy(), work)

    def _run_all(self, work: Runs) -> None:
        given, rows = self._given(work), read_rows(Path(work.rows))
        if work.dearer:
            given, rows = given._replace(options=dearer_options(given.options)), dearer_rows(rows)
        for number, params in work.sets:
            try:
                self._run(given, Trial(number, params, rows), full=work.full)
            except BacktestError as error:
                self.send(Refused(number, str(error.code), str(error)))

    def _run(self, given: Given, trial: Trial, *, full: bool = False) -> None:
        """Run once and say what came of it. Raises BacktestError: it cannot begin."""
        result = self._result(given, trial, full=full)
        document = brief_document(result)
        if full:
            for name, table in result_tables(result).items():
                self.send(Part(trial.number, name, _arrow(table)))
            self.send(Part(trial.number, "report", report_page(result, trial.rows).encode()))
            document = {**run_document(result), "outcome": document["outcome"]}
        self.send(Found(trial.number, document))

    def _result(self, given: Given, trial: Trial, *, full: bool = False) -> RunResult:
        """What a run comes to, within its limits. Raises BacktestError: it cannot begin."""
        settings, selection = settings_of(given.options), trial.rows
        spec = RunSpec(given.strategy, parameters_of(given.strategy, trial.params), settings, self._job.strategy)
        progress = self._progress

        def begun(engine: Engine) -> None:
            if full:
                digest = run_id(
                    given.strategy,
                    spec.params,
                    settings,
                    selection,
                    data_digests(selection),
                    session_digests(engine.markets, selection),
                )
                self.send(Identity(trial.number, digest))
            progress.follow(trial.number, engine, selection)

        with guarded(self._job.limits, progress):
            result = run_backtest(selection, given.calendar, spec, begun=begun)
        progress.follow(trial.number, None, selection)
        return result


def _arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def table_from(data: bytes) -> pa.Table:
    """A table of a document."""
    return pa.ipc.open_stream(data).read_all()


def _verified(work: Verify) -> dict[str, object]:
    found = verify_fills(
        fills_of(table_from(work.fills)),
        read_rows(Path(work.rows)),
        settings_of(work.options),
        active_of(table_from(work.orders)),
        work.ts_end,
    )
    unproved = [each._asdict() for each in found.unproved]
    return {"fills": found.fills, "unproved": unproved, "gross": found.gross}


def _listed(job: Job) -> list[dict[str, object]]:
    """Strategies of the packages that are allowed, by entry points and by looking, in the order of their names."""
    if job.path and job.path not in sys.path:
        sys.path.insert(0, job.path)
    found: dict[str, dict[str, object]] = {}
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if point.value.partition(".")[0].partition(":")[0] in job.packages:
            _note(found, point.value, point.load)
    for package in job.packages:
        for module, problem in _modules(package, Path(job.path or "/nonexistent")):
            if problem:
                found[module] = {"name": module, "problem": problem}
                continue
            for name, value in vars(sys.modules[module]).items():
                if inspect.isclass(value) and issubclass(value, Strategy) and value.__module__ == module:
                    _note(found, f"{module}:{name}", partial(_itself, value))
    return [found[name] for name in sorted(found)]


def _itself(strategy: type[Strategy]) -> type[Strategy]:
    return strategy


def _modules(package: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Modules of a package, imported, each with the reason why it could not be."""
    top = _imported(package, folder)
    if isinstance(top, str):
        yield package, top
        return
    yield top.__name__, ""
    for each in pkgutil.walk_packages(getattr(top, "__path__", ()), f"{top.__name__}.", onerror=lambda _: None):
        module = _imported(each.name, folder)
        yield each.name, module if isinstance(module, str) else ""


def _imported(name: str, folder: Path) -> ModuleType | str:
    try:
        load_strategy(f"{name}:Strategy", folder)  # finds packages of a checkout and of the product alike
    except BacktestError as error:
        if name not in sys.modules:
            return str(error)
    return sys.modules[name] if name in sys.modules else importlib.import_module(name)


def _note(found: dict[str, dict[str, object]], name: str, load: Callable[[], type[Strategy]]) -> None:
    try:
        strategy = load()
        text = (inspect.getdoc(strategy) or "").partition("\n\n")[0]
        found[name] = {"name": name, "text": text, "schema": strategy.Params.model_json_schema()}
    except Exception as error:  # noqa: BLE001 (code of a user)
        found[name] = {"name": name, "problem": f"{type(error).__name__}: {error}"[:300]}


__all__ = ["ENTRY_POINTS", "do", "table_from"]
