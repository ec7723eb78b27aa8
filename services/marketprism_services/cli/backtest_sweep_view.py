"""Sweeps and walk-forwards in the terminal: how far they are, how far a winner can be trusted, and then the winner."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import err, out
from marketprism_services.cli.tables import Look, show_table

_EVERY_S = 5.0
Result = dict[str, object]


class Counted:
    """Counts runs: a bar on a terminal, elsewhere a line every five seconds. `silent`: nothing of it."""

    def __init__(self, total: int, *, silent: bool) -> None:
        self._total, self._silent, self._done = total, silent, 0
        self._bar: Progress | None = None
        self._written = time.monotonic()

    @contextmanager
    def running(self) -> Iterator[None]:
        """While runs go on."""
        if self._silent or not sys.stderr.isatty():
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err, transient=True) as self._bar:
            self._task = self._bar.add_task(spoken().translate("runs"), total=self._total)
            yield
        self._bar = None

    def through(self, results: Iterable[Result]) -> Iterator[Result]:
        """The same results, each counted when it is there."""
        for each in results:
            self._done += 1
            if self._bar is not None:
                self._bar.update(self._task, completed=self._done)
            elif not self._silent and time.monotonic() - self._written >= _EVERY_S:
                self._written = time.monotonic()
                err.print(f"{self._done} of {self._total} runs", highlight=False, markup=False)
            yield each


def show_sweep(found: Mapping[str, object], remarks: Sequence[str]) -> None:
    """What a sweep has come to: first what the best is worth, then the best, then those behind it."""
    trust = found["overfitting"]
    best = found["best"]
    assert isinstance(trust, dict)  # noqa: S101 (as the sweep has put it together)
    assert isinstance(best, dict)  # noqa: S101 (as above)
    days = trust["minimum_periods"]
    lines: list[tuple[str, object]] = [
        ("trials of this strategy", _trials(found, trust)),
        ("deflated Sharpe ratio", _share(found["deflated_sharpe"])),
        ("probability of overfitting (PBO)", _share(found["pbo"])),
        ("probabilistic Sharpe ratio", _share(trust["probabilistic"])),
        ("days that such a record needs", "" if days is None else f"{days:.0f}"),
        ("neighbours that reach 70 % of the best", _number(trust["plateau"])),
        ("net of the best at double costs and a tick more", _number(trust["net_at_double_costs"])),
        ("best", _named(best["params"])),
        (str(found["objective"]), _number(best["value"])),
        ("net", _number(best["net"])),
        ("orders", best["orders"]),
        ("runs", f"{found['runs']}, {found['failed']} failed" if found["failed"] else str(found["runs"])),
        ("run id", best["run_id"]),
    ]
    ranked, differ = found["ranked_by_kernel"], found["differ_from_kernel"]
    if ranked:
        lines.append(("runs by the kernel alone", ranked))
    if differ:
        lines.append(("runs by events that differ from the kernel: `signals` is another strategy", differ))
    _show(lines)
    rows = found["results"]
    assert isinstance(rows, list)  # noqa: S101 (as above)
    shown: list[dict[str, object]] = [
        {
            "number": each["number"],
            **each["params"],
            str(found["objective"]): _number(each["value"]),
            "net": _number(each["net"]),
            "orders": each["orders"],
            **({"run by": "kernel" if each["state"] == "ranked" else "events"} if ranked else {}),
        }
        for each in rows
    ]
    names = list(dict.fromkeys(name for row in shown for name in row))
    show_table(out, shown, names, Look("", last=len(shown)))
    _say(remarks)


def show_walk(found: Mapping[str, object], remarks: Sequence[str]) -> None:
    """What a walk-forward has come to: the chained days behind every training, then its windows."""
    statistics = found["statistics"]
    assert isinstance(statistics, dict)  # noqa: S101 (as the walk-forward has put it together)
    lines: list[tuple[str, object]] = [
        ("trials of this strategy", found["trials"]),
        ("windows", f"{found['windows']}, {found['failed']} failed" if found["failed"] else found["windows"]),
        ("net behind the trainings", _number(found["net"])),
        *((name, _number(statistics[name])) for name in ("sharpe", "max_drawdown") if statistics.get(name) is not None),
    ]
    _show(lines)
    chosen = found["chosen"]
    assert isinstance(chosen, list)  # noqa: S101 (as above)
    rows: list[dict[str, object]] = []
    for each in chosen:
        inside = each["in_sample"]
        rows.append(
            {
                "train": " … ".join(each["train"]),
                "test": " … ".join(each["test"]),
                "chosen": _named(each["params"]),
                "net in training": _number(inside["net"]),
                "net": _number(each["net"]),
            }
        )
    show_table(out, rows, ["train", "test", "chosen", "net in training", "net"], Look("", last=len(rows)))
    _say(remarks)


def _show(lines: Sequence[tuple[str, object]]) -> None:
    say = spoken().translate
    rows: list[dict[str, object]] = [{"what": say(what), "value": value} for what, value in lines]
    show_table(out, rows, ["what", "value"], Look("", last=len(rows)))


def _say(remarks: Sequence[str]) -> None:
    for each in remarks:
        err.print(each, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _trials(found: Mapping[str, object], trust: Mapping[str, object]) -> str:
    before = trust["trials_before"]
    return f"{found['trials']}, {before} of them before" if before else str(found["trials"])


def _named(params: object) -> str:
    return ", ".join(f"{name} {value}" for name, value in params.items()) if isinstance(params, Mapping) else ""


def _share(value: object) -> str:
    return "too few days or trials" if value is None else f"{float(str(value)):.4f}"


def _number(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value.normalize() + 0, "f")
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


__all__ = ["Counted", "show_sweep", "show_walk"]
