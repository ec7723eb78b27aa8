"""Trials of changes: each in a process forked from one that has everything loaded."""

from __future__ import annotations

import ast
import contextlib
import ctypes
import functools
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

from tests.mutation.changes import Change, applied
from tests.mutation.reached import Reached, digests_of
from tests.mutation.swapping import living, swap

# What a child ends with. Everything else, a signal too, is a killed one.
ALIVE, KILLED, ELSEWHERE = 0, 1, 9
# In this process, from nothing, although the plugins are loaded already.
QUIETLY = ("-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
_OURS = ("marketprism_", "tests.")
_KEPT = ("tests.mutation",)
_clock = time.monotonic


# A process under way, for how long it may be, and what to do with how it ended: that may be another start.
Begun = tuple[int, float, "Callable[[int], Start | None]"]
Start = Callable[[], Begun | None]


@dataclass(frozen=True)
class Target:
    """A module and its source."""

    name: str
    path: Path
    tree: ast.Module
    lines: tuple[str, ...]


@dataclass
class Trial:
    """A change of a module; `verdict`: killed, timeout, survived, or unreached by any test."""

    target: Target
    change: Change
    verdict: str = ""
    tests: int = 0
    fresh: bool = False  # whether the module was loaded anew, which is needed where a change acts when it is

    @property
    def source(self) -> str:
        """The line that was changed."""
        return self.target.lines[self.change.line - 1].strip()


class Trials:
    """A pytest plugin: instead of running the tests, runs those that reach a change, for each change."""

    def __init__(
        self,
        trials: Sequence[Trial],
        *,
        recording: Path,
        record: bool,
        workers: int,
        roots: Sequence[Path],
        most_s: float = 20.0,
        ended: Callable[[Trial], None] = lambda trial: None,
    ) -> None:
        self._trials = trials
        self._recording = recording
        self._record = record
        self._workers = workers
        self._roots = tuple(roots)
        self._failed = False
        self._items: dict[str, pytest.Item] = {}
        self._reached = Reached()
        self._place = recording.parent / f"running-{os.getpid()}"
        self._folder = Path()
        self._ended = ended
        self._most_s = most_s
        self._alive: dict[tuple[str, str, int], list[object]] = {}

    def pytest_sessionstart(self) -> None:
        """The same examples in every trial, and none made smaller."""
        _load_examples()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """All of it."""
        self._items = {item.nodeid: item for item in session.items if _is_cheap(item)}
        shutil.rmtree(self._place, ignore_errors=True)
        self._place.mkdir(parents=True)
        self._folder = session.config.rootpath
        self._record_new(self._folder)
        self._reached.seconds = {name: s for name, s in self._reached.seconds.items() if name in self._items}
        self._alive = living(self._roots)  # type: ignore[assignment]
        gc.collect()
        gc.freeze()  # a child looks through its own garbage only
        _fork_each(self._workers, [self._start_of(trial) for trial in self._trials], self._place)
        shutil.rmtree(self._place, ignore_errors=True)
        return True

    # -- which test reaches what

    def _record_new(self, folder: Path) -> None:
        """Record tests that are new, or others than they were; all of them where the product is another."""
        files = {name.partition("::")[0] for name in self._items}
        self._reached = reached = Reached() if self._record else Reached.load(self._recording)
        reached.forget(digests_of(files, self._roots, folder))
        items = [item for name, item in self._items.items() if name not in reached.seconds]
        parts = [items[part :: self._workers] for part in range(self._workers) if items[part :: self._workers]]
        started = [self._forked(lambda part=part: self._record_part(parts[part], part)) for part in range(len(parts))]
        for pid in started:
            os.waitpid(pid, 0)
        for part in range(len(parts)):
            seconds = Reached.load(self._place / f"seconds{part}.json").seconds
            reached.add(self._place / f"coverage{part}", seconds)
        reached.save(self._recording)

    def _record_part(self, items: list[pytest.Item], part: int) -> int:
        import coverage  # noqa: PLC0415 (of the tools for development)

        watch = coverage.Coverage(
            data_file=str(self._place / f"coverage{part}"),
            config_file=False,
            source=[str(each) for each in self._roots],
            messages=False,
        )
        watch.start()
        found = Reached()
        for index, item in enumerate(items):
            watch.switch_context(item.nodeid)
            before = time.process_time(), _clock()
            self._failed = False
            self._run(item, items[index + 1] if index + 1 < len(items) else item)
            if not self._failed:
                found.seconds[item.nodeid] = max(time.process_time() - before[0], _clock() - before[1])
        watch.stop()
        watch.save()
        found.save(self._place / f"seconds{part}.json")
        return 0

    # -- one change

    def _start_of(self, trial: Trial) -> Start:
        def start() -> Begun | None:
            change, path = trial.change, trial.target.path
            trial.fresh = trial.fresh or change.function is None
            tests = self._reached.of(path, change.lines)
            if trial.fresh or not tests:  # what acts when the module is loaded is no line of a test's
                trial.fresh = True
                tests = self._of_names(trial)
            tests = _bounded(tests, self._reached, self._most_s)
            trial.tests = len(tests)
            if not tests:
                trial.verdict = "unreached"
                self._ended(trial)
                return None
            seconds = sum(self._reached.seconds[each] for each in tests)

            def end(status: int) -> Start | None:
                code = os.waitstatus_to_exitcode(status)
                if code == ELSEWHERE and not trial.fresh:
                    trial.fresh = True
                    return start
                trial.verdict = {ALIVE: "survived", KILLED: "killed"}.get(code, "timeout" if code < 0 else "killed")
                self._ended(trial)
                return None

            run = self._fresh if trial.fresh else self._swapped
            pid = self._forked(lambda: run(trial, tests), 1 + seconds)
            return pid, 15 + 8 * seconds, end

        return start

    def _of_names(self, trial: Trial) -> list[str]:
        """Tests that reach a line which names what the changed statement defines; any of the module's otherwise."""
        top, found = trial.change.top, set[str]()
        targets = getattr(top, "targets", None) or [getattr(top, "target", top)]
        names = {getattr(each, "id", getattr(each, "name", "")) for each in targets} - {""}
        for path, known in self._reached.lines.items():
            text = Path(path).read_text(encoding="utf-8").splitlines()
            if Path(path) != trial.target.path and not any(trial.target.name in line for line in text):
                continue
            for line, tests in known.items():
                if line <= len(text) and any(name in text[line - 1] for name in names):
                    found |= tests
        package, _, module = trial.target.name.rpartition(".")
        for test in self._reached.seconds:  # what a test itself looks at is no line of the product's
            text_of_it = _text_of(self._folder / test.partition("::")[0])
            if package in text_of_it and any(name in text_of_it for name in names | {module}):
                found.add(test)
        here = range(top.lineno, (top.end_lineno or top.lineno) + 1)
        found |= set(self._reached.of(trial.target.path, here))
        return self._reached.ordered(found) or self._reached.anywhere(trial.target.path)

    def _swapped(self, trial: Trial, tests: list[str]) -> int:
        change = trial.change
        with applied(change):
            if not swap(trial.target.tree, trial.target.path, change.function or ("", 0), self._alive):  # type: ignore[arg-type]
                return ELSEWHERE
        self._failed = False
        for index, name in enumerate(tests):
            following = self._items[tests[min(index + 1, len(tests) - 1)]]
            self._run(self._items[name], following)
            if self._failed:
                return KILLED
        return ALIVE

    def _fresh(self, trial: Trial, tests: list[str]) -> int:
        with applied(trial.change):
            code = compile(trial.target.tree, str(trial.target.path), "exec")
        return in_new_modules(trial.target, code, tests, self._folder)

    def _run(self, item: pytest.Item, following: pytest.Item) -> None:
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following)

    def _forked(self, work: Callable[[], int], cpu_s: float = 0) -> int:
        pid = os.fork()
        if pid:
            return pid
        code = KILLED
        with contextlib.suppress(BaseException):
            os.setsid()
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # with the one that began it
            quiet = os.open(os.devnull, os.O_RDWR)
            for number in (1, 2):
                os.dup2(quiet, number)
            if cpu_s:
                resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_s) + 1, int(cpu_s) + 2))
            config = next(iter(self._items.values())).config
            reporter = config.pluginmanager.get_plugin("terminalreporter")
            if reporter is not None:
                reporter._tw._file = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
            place = self._place / str(os.getpid())
            place.mkdir()
            config._tmp_path_factory._basetemp = place  # type: ignore[attr-defined]
            code = work()
        os._exit(code)


def in_new_modules(target: Target, code: object, tests: list[str], folder: Path) -> int:
    """What the tests say when every module of ours is loaded anew, and one of them from `code`."""
    for name, module in [*sys.modules.items()]:
        if (name.startswith(_OURS) or _is_of(module, folder)) and not name.startswith(_KEPT):
            del sys.modules[name]
    sys.meta_path.insert(0, _Loader(target.name, target.path, code))
    chosen = _Chosen(set(tests))
    files = sorted({str(folder / test.partition("::")[0]) for test in tests})
    done = pytest.main([*QUIETLY, "-x", "--rootdir", str(folder), *files], plugins=[chosen])
    nothing_said = pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED
    return ALIVE if done in nothing_said else KILLED


def _is_of(module: ModuleType, folder: Path) -> bool:
    """Whether its file is one of the project's, and of no package that is installed below it."""
    file = getattr(module, "__file__", None) or ""
    return file.startswith(f"{folder}/") and "site-packages" not in file


class _Chosen:
    """A pytest plugin: those tests and no others."""

    def __init__(self, tests: set[str]) -> None:
        self._tests = tests

    def pytest_sessionstart(self) -> None:
        _load_examples()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self._tests]


class _Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, name: str, path: Path, code: object) -> None:
        self._name, self._path, self._code = name, path, code

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_file_location(name, self._path, loader=self) if name == self._name else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # type: ignore[arg-type]


def _load_examples() -> None:
    few = hypothesis.Phase.explicit, hypothesis.Phase.generate
    hypothesis.settings.register_profile(
        "mutation",
        deadline=None,
        derandomize=True,
        database=None,
        phases=few,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutation")


@functools.cache
def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _is_cheap(item: pytest.Item) -> bool:
    marks = {mark.name for mark in item.iter_markers()}
    heavy = {"clickhouse_url", "clickhouse_native_url", "clickhouse_both_urls"}
    return not marks & {"long", "ops", "e2e"} and not heavy & set(getattr(item, "fixturenames", ()))


def _bounded(tests: list[str], reached: Reached, most_s: float) -> list[str]:
    """The quickest, together not longer than that: but one always."""
    total, found = 0.0, []
    for each in tests:
        total += reached.seconds[each]
        if found and total > most_s:
            break
        found.append(each)
    return found


def _fork_each(workers: int, starts: list[Start], place: Path) -> None:
    """Start each, so many side by side; one that takes longer than it may is killed, with what it started."""
    waiting, running = list(reversed(starts)), dict[int, tuple[float, Callable[[int], Start | None]]]()
    total, told = len(starts), _clock()
    while waiting or running:
        while waiting and len(running) < workers:
            if (begun := waiting.pop()()) is not None:
                pid, most_s, end = begun
                running[pid] = (_clock() + most_s, end)
        for pid, (deadline, end) in [*running.items()]:
            if _clock() > deadline:
                _kill(pid)
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del running[pid]
                _kill(pid)
                shutil.rmtree(place / str(pid), ignore_errors=True)
                if (again := end(status)) is not None:
                    waiting.append(again)
        if _clock() - told > 30:
            told = _clock()
            print(
                f"  {total - len(waiting) - len(running)} of {total}, {_children_s():.0f} s of processor time",
                file=sys.stderr,
                flush=True,
            )
        time.sleep(0.002)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
