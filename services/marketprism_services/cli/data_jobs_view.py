"""What jobs of the data service look like: how far they are, and how they ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from marketprism_application.contracts.data_jobs import JobShown, JobStage, TaskShown
from marketprism_services.cli.clocks import Zone
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import err, out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.cli.words import count_of

_EVERY_S = 5.0
_SERIES_SHOWN = 40
_STAGES = {
    JobStage.PLANNED: "planned",
    JobStage.RUNNING: "running",
    JobStage.WAITING: "waits for the venue",
    JobStage.DONE: "done",
    JobStage.FAILED: "failed",
    JobStage.CANCELLED: "cancelled",
}


class JobView:
    """A bar on a terminal; elsewhere a line when its stage changes, and every five seconds. `silent`: nothing of it."""

    def __init__(self, *, silent: bool) -> None:
        self.job = ""
        self._silent = silent
        self._bar: Progress | None = None
        self._written = time.monotonic()
        self._stage: JobStage | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """While a job is followed."""
        if self._silent or not sys.stderr.isatty():
            yield
            return
        say = spoken().translate
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(f"{{task.fields[rows]}} {say('rows')}"),
            TextColumn("{task.fields[left]}"),
        )
        with Progress(*columns, console=err, transient=True) as self._bar:
            self._task = self._bar.add_task("", total=None, rows=0, left="")
            yield
        self._bar = None

    def on_change(self, state: JobShown) -> None:
        """A job is further, or has another stage."""
        self.job = state.id
        say = spoken().translate
        total, done = _parts(state)
        if self._bar is not None:
            left = "" if state.eta_s is None else say(f"{duration(state.eta_s)} left")
            text = f"{state.id} {say(stage_of(state.stage))}"
            self._bar.update(
                self._task, description=text, total=total or None, completed=done, rows=state.rows, left=left
            )
            return
        if self._silent:
            return
        moved = state.stage is not self._stage
        if moved or time.monotonic() - self._written >= _EVERY_S:
            self._written, self._stage = time.monotonic(), state.stage
            line(f"job {state.id}: {say(stage_of(state.stage))}, {done} of {count_of(total, 'part')}")


def _parts(state: JobShown) -> tuple[int, int]:
    """Parts and how many are done; of a job whose tasks have none the tasks."""
    return (state.parts, state.parts_done) if state.parts else (state.tasks, state.tasks_done)


def stage_of(stage: JobStage) -> str:
    """A stage as a person reads it."""
    return _STAGES[stage]


def duration(seconds: float) -> str:
    """`45 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


def show_jobs(jobs: Sequence[JobShown], zone: Zone) -> None:
    """Jobs, a row each."""
    say = spoken().translate
    if not jobs:
        line("there is no job")
        return
    rows = []
    for each in jobs:
        total, done = _parts(each)
        rows.append(
            {
                "id": each.id,
                "action": each.action,
                "stage": say(stage_of(each.stage)),
                "series": each.tasks,
                "parts": f"{done}/{total}",
                "rows": each.rows,
                "created": zone.text(each.created_at) if each.created_at else "",
                "by": each.by,
                "error": each.error,
            }
        )
    show_table(out, rows, tuple(rows[0]), Look("", zone, len(rows), ("by", "rows")))


def show_job(job: JobShown, zone: Zone) -> None:
    """A job with its series."""
    total, done = _parts(job)
    stage = spoken().translate(stage_of(job.stage))
    line(f"job {job.id}: {stage}, {done} of {count_of(total, 'part')}")
    for remark in job.remarks:
        line(remark)
    if job.error:
        line(f"failed: {job.error}")
    if job.series:
        show_series(job.series, zone)


def show_series(series: Sequence[TaskShown], zone: Zone) -> None:
    """The series of a job; of many those that are not done first, and how many there are."""
    say = spoken().translate
    ordered = sorted(series, key=lambda each: (each.stage is JobStage.DONE, each.number))
    rows = [
        {
            "series": f"{each.venue}.{each.symbol} {each.interval or each.kind}".strip(),
            "from": zone.text(each.ts_from) if each.ts_from else "",
            "to": zone.text(each.ts_to) if each.ts_to else "",
            "stage": say(stage_of(each.stage)),
            "parts": f"{each.parts_done}/{each.parts}",
            "rows": each.rows,
            "requests": each.requests,
            "error": each.error,
        }
        for each in ordered[:_SERIES_SHOWN]
    ]
    title = "" if len(series) <= _SERIES_SHOWN else f"{len(series)} series, the first {_SERIES_SHOWN}"
    show_table(out, rows, tuple(rows[0]), Look(title, zone, len(rows), ("requests", "from", "to")))


def line(text: str) -> None:
    """A sentence on standard error."""
    err.print(text, highlight=False, markup=False, soft_wrap=True)


__all__ = ["JobView", "duration", "line", "show_job", "show_jobs", "show_series", "stage_of"]
