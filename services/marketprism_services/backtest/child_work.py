"""What a child does with its job: looks a strategy up, runs it, or proves fills; what it finds it says in frames."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import inspect
import os
import pickle
import pkgutil
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType
from typing import BinaryIO

import pyarrow as pa

from marketprism_application.backtesting.columns import Selection
from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.equity import equity_beside
from marketprism_application.backtesting.errors import BacktestError, LimitExceeded
from marketprism_application.backtesting.identity import (
    code_digest,
    data_digests,
    run_id,
    session_digests,
)
from marketprism_application.backtesting.loading import load_strategy, parameters_of
from marketprism_application.backtesting.options import settings_of
from marketprism_application.backtesting.repeatability import check_repeatable
from marketprism_application.backtesting.report_page import report_page
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
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_services.backtest.child_messages import (
    Check,
    End,
    Found,
    Frame,
    Identity,
    Job,
    Limits,
    Listing,
    Part,
    Refused,
    Runs,
    Step,
    Verify,
    packed,
)
from marketprism_services.backtest.guard import NoOutside, limited
from marketprism_services.backtest.row_files import read_rows

ENTRY_POINTS = "marketprism.strategies"
_EVERY_S = 0.3


def do(job: Job, out: BinaryIO) -> int:
    """Do a job, and say what came of it; the exit code is 0 wherever that could be said."""
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
        self._progress = _Progress(sender)

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
        else:
            from marketprism_services.backtest.child_walk import walk  # noqa: PLC0415 (few do)

            walk(work, self._strategy(), self.send, self.run_one)

    def _strategy(self) -> type[Strategy]:
        """The class that the job names. Raises StrategyImportError, LimitExceeded."""
        job = self._job
        with limited(lambda: 0, seconds=job.limits.stall_s, memory_mb=job.limits.memory_mb):
            return load_strategy(job.strategy, Path(job.file or job.path or "/nonexistent"))

    def _checked(self, work: Check) -> dict[str, object]:
        strategy = self._strategy()
        if work.strict:
            check_repeatable(strategy)
        params = parameters_of(strategy, work.params).model_dump(mode="json")
        found: dict[str, object] = {"params": params, "code": code_digest(strategy)}
        if work.method:
            from marketprism_services.backtest.child_spaces import sets_of  # noqa: PLC0415 (only of sweeps)

            found["sets"] = sets_of(work, strategy)
        return found

    def _run_all(self, work: Runs) -> None:
        strategy, selection = self._strategy(), read_rows(Path(work.rows))
        calendar: MarketCalendar = pickle.loads(work.calendar)  # noqa: S301 (the parent's own)
        for number, params in work.sets:
            try:
                self.run_one(number, strategy, params, work.options, selection, calendar, full=work.full)
            except BacktestError as error:
                self.send(Refused(number, str(error.code), str(error)))

    def run_one(
        self,
        number: int,
        strategy: type[Strategy],
        params: dict[str, object],
        options: dict[str, object],
        selection: Selection,
        calendar: MarketCalendar,
        *,
        full: bool = False,
        quiet: bool = False,
    ) -> dict[str, object]:
        """Run once and say what came of it, unless `quiet`. Raises BacktestError: it cannot begin."""
        settings = settings_of(options)
        spec = RunSpec(strategy, parameters_of(strategy, params), settings, self._job.strategy)
        progress = self._progress

        def begun(engine: Engine) -> None:
            if full:
                digest = run_id(
                    strategy,
                    spec.params,
                    settings,
                    selection,
                    data_digests(selection),
                    session_digests(engine.markets, selection),
                )
                self.send(Identity(number, digest))
            progress.follow(number, engine, selection)

        with _guarded(self._job.limits, progress):
            result = run_backtest(selection, calendar, spec, begun=begun)
        progress.follow(number, None, selection)
        document = brief_document(result)
        if quiet:
            return document
        if full:
            for name, table in result_tables(result).items():
                self.send(Part(number, name, _arrow(table)))
            self.send(Part(number, "report", report_page(result, selection).encode()))
            document = {**run_document(result), "outcome": document["outcome"]}
        self.send(Found(number, document))
        return document


@contextlib.contextmanager
def _guarded(limits: Limits, progress: _Progress) -> Iterator[None]:
    """The limits of one run. Raises LimitExceeded inside it."""

    def over(_signal: int, _frame: FrameType | None) -> None:
        raise LimitExceeded(f"cpu: expected at most {limits.cpu_s:g} s of a run")

    handler = signal.signal(signal.SIGXCPU, over)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime + limits.cpu_s) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until if most < 0 else min(until, most), most))
    try:
        with limited(progress.now, seconds=limits.stall_s, memory_mb=limits.memory_mb):
            yield
    finally:
        signal.signal(signal.SIGXCPU, handler)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))


class _Progress:
    """Says from a thread of its own how far the run is."""

    def __init__(self, sender: _Sender) -> None:
        self._send = sender.send
        self._number = 0
        self._engine: Engine | None = None
        self._bounds = (0, 0)
        threading.Thread(target=self._tell, daemon=True).start()

    def follow(self, number: int, engine: Engine | None, selection: Selection) -> None:
        """The engine that runs now, None where none does."""
        self._number, self._bounds, self._engine = number, selection.bounds(), engine

    def now(self) -> int:
        """Event time while callbacks run; before and after it the clock, which never stands still."""
        engine = self._engine
        return engine.clock.now if engine is not None and engine.is_running else time.monotonic_ns()

    def _tell(self) -> None:
        while True:
            time.sleep(_EVERY_S)
            engine, (first, last) = self._engine, self._bounds
            if engine is not None:
                share = (engine.clock.now - first) / (last - first) if last > first else 0.0
                self._send(Step(self._number, min(1.0, max(0.0, share)), engine.clock.now, _equity_of(engine)))
            else:
                self._send(Step(self._number, 0.0, 0))


def _equity_of(engine: Engine) -> str:
    equity = equity_beside(engine.desk, engine.settings.capital)
    return "" if equity is None else format(equity, "f")


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
