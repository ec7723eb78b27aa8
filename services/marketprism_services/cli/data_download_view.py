"""What a download shows: its plan, how far it is, and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from marketprism_application.downloads.engine import Plan
from marketprism_application.downloads.engine import Progress as Done
from marketprism_application.ports.history import HistoryBudget
from marketprism_services.cli.clocks import Zone
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import err, out
from marketprism_services.cli.tables import show_table
from marketprism_services.cli.words import count_of

_EVERY_S = 5.0
_HOLES_SHOWN = 20


class DownloadView:
    """A bar on a terminal; elsewhere a line every five seconds, and one for each wait. `silent`: nothing of it."""

    def __init__(self, zone: Zone, *, silent: bool) -> None:
        self.zone, self.silent = zone, silent
        self._bar: Progress | None = None
        self._written = time.monotonic()
        self._waiting = False

    @contextmanager
    def running(self, plan: Plan) -> Iterator[None]:
        """While a plan is worked off."""
        if self.silent or not sys.stderr.isatty():
            yield
            return
        say = spoken().translate
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(f"{{task.fields[rows]}} {say('rows')}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=err, transient=True) as self._bar:
            self._task = self._bar.add_task(say("parts"), total=len(plan.parts), rows=0)
            yield
        self._bar = None

    def on_change(self, done: Done) -> None:
        """Another part has ended."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done.done, rows=done.rows)
        elif not self.silent and time.monotonic() - self._written >= _EVERY_S:
            self._written = time.monotonic()
            _line(f"so far {done.done} of {count_of(done.parts, 'part')}, {count_of(done.rows, 'row')}")

    def on_budget(self, budget: HistoryBudget) -> None:
        """The source may want to be left alone for a time."""
        waits = budget.waits_s > 1.0
        if waits and not self._waiting and not self.silent:
            _line(f"the venue says to wait: {budget.waits_s:.0f} s")
        self._waiting = waits


def show_plan(plan: Plan, remarks: Sequence[str], zone: Zone) -> None:
    """What is going to be asked for, before it is."""
    for remark in remarks:
        _line(remark)
    job = plan.job
    what = f"{job.venue}.{job.symbol} {job.interval or job.kind}"
    _line(f"{what}: it can have rows from {zone.text(job.first)} to {zone.text(job.last)}, {zone.name}")
    if plan.resumed:
        _line(f"goes on: {len(plan.parts) - len(plan.open)} of {count_of(len(plan.parts), 'part')} are there")
    if not plan.open:
        _line("nothing has to be fetched")
        return
    requests, parts = count_of(plan.requests, "request"), count_of(len(plan.open), "part")
    _line(f"{requests} at least, in {parts}; {plan.seconds:.0f} s at least by the budget of the source")


def show_result(plan: Plan, done: Done, zone: Zone, folder: Path) -> None:
    """What came of a download: its rows, the parts that failed, the holes of the venue."""
    parts = f"{done.done} of {count_of(done.parts, 'part')}"
    rows, requests = count_of(done.rows, "row"), count_of(done.requests, "request")
    _line(f"stored: {parts}, {rows}, {requests}: {folder}")
    if not plan.parts:
        return
    for part in done.failed:
        _line(f"failed: {zone.text(part.ts_from)} - {zone.text(part.ts_to)}: {part.error}")
    if done.holes:
        holes = [
            {"from": zone.text(hole.ts_from), "to": zone.text(hole.ts_to), "cause": hole.cause} for hole in done.holes
        ]
        if len(holes) > _HOLES_SHOWN:
            _line(f"{count_of(len(holes), 'hole')} of the venue, the first {_HOLES_SHOWN}")
        show_table(out, holes[:_HOLES_SHOWN], ("from", "to", "cause"))


def plain_download(plan: Plan, done: Done | None, remarks: Sequence[str], folder: str) -> dict[str, object]:
    """The same for programs; times are nanoseconds UTC."""
    job = plan.job
    found: dict[str, object] = {
        "job": job.id,
        "series": {"kind": job.kind, "venue": job.venue, "symbol": job.symbol, "interval": job.interval},
        "from": job.ts_from,
        "to": job.ts_to,
        "bounds": {"first": job.first, "last": job.last},
        "source": job.source,
        "mode": job.mode,
        "plan": {"parts": len(plan.open), "requests": plan.requests, "seconds": round(plan.seconds, 1)},
        "resumed": plan.resumed,
        "remarks": list(remarks),
        "folder": folder,
    }
    if done is not None:
        found |= {
            "parts": done.parts,
            "done": done.done,
            "rows": done.rows,
            "requests": done.requests,
            "holes": [hole._asdict() for hole in done.holes],
            "failed": [{"from": each.ts_from, "to": each.ts_to, "error": each.error} for each in done.failed],
        }
    return found


def _line(text: str) -> None:
    err.print(text, highlight=False, markup=False, soft_wrap=True)
