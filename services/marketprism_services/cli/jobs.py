"""`marketprism jobs`: what runs at which times, what became of it, and changes of it."""

from __future__ import annotations

import getpass
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from marketprism_application.contracts.schedule_records import JobDocument
from marketprism_application.errors import DefinitionError
from marketprism_application.scheduling.definitions import read_file
from marketprism_sdk.errors import DeadlineExceeded, NoResponders, NotConnected, RemoteError, reason_of
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli import jobs_view as view
from marketprism_services.cli.clocks import UTC_TIME, Zone, day_of_text, zone_named
from marketprism_services.cli.options import DataDir, NatsUrl, Who, connected, nats_of, out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.cli.words import count_of
from marketprism_services.platform.exits import Exit, Stop

_LOOK_S, _CHANGE_S = 10.0, 30.0
_WAIT_LOOK_S = 0.5
_TAKEN_S = 60.0  # longer than another scheduler needs to lead
_SAME_RUN_NS = 1_000_000_000  # a due time that is taken already makes the run that is asked for due a little later
_MOST_LOOKED_AT = 200
T = TypeVar("T")

jobs = typer.Typer(help="Jobs: what runs when, what became of it; run, pause, define, remove.", no_args_is_help=True)
JobName = Annotated[str, typer.Argument(metavar="JOB", help="A job as `list` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the definition.")]
Tz = Annotated[str | None, typer.Option("--tz", help="Zone of the times: UTC, local, a name or an offset.")]


class _Runs(msgspec.Struct):
    """A page of runs, the newest first."""

    runs: list[view.RunRow]


class _Due(msgspec.Struct):
    """The due time by which a run is known."""

    due: int


class _DueTimes(msgspec.Struct):
    """The due times that are run for."""

    due: list[int]


class _Defined(msgspec.Struct):
    """When a job is due next, now that it is defined so."""

    next: list[int]


class _Done(msgspec.Struct):
    """What was wanted is done."""

    job: str


@dataclass(frozen=True)
class _Scheduler:
    """The scheduler of a pipeline; in `zone` are the times of what it refuses."""

    data_dir: Path | None
    nats_url: str | None
    zone: Zone = UTC_TIME

    def ask(self, method: str, asked: Mapping[str, object], kind: type[T], timeout_s: float = _LOOK_S) -> T:
        """What it answers. Raises Stop: there is none, or it refuses."""

        async def go(connection: NatsConnection) -> T:
            answer = await RpcClient(NatsBus(connection)).call("scheduler", method, asked, timeout_s=timeout_s)
            return msgspec.convert(answer, kind)

        try:
            return connected(nats_of(self.data_dir, self.nats_url), go)
        except NoResponders as error:
            text = "no scheduler runs here, which knows the jobs; `marketprism run scheduler` starts one"
            raise Stop(Exit.FAILED, text) from error
        except RemoteError as error:
            raise Stop(Exit.FAILED, view.readable(error.message, self.zone)) from error
        except (DeadlineExceeded, NotConnected) as error:
            raise Stop(Exit.NATS, str(error)) from error

    def change(self, method: str, who: str, kind: type[T], **asked: object) -> T:
        """What it answers to somebody who wants something."""
        return self.ask(method, {**asked, "who": who or getpass.getuser()}, kind, _CHANGE_S)


def _scheduler(data_dir: Path | None, nats_url: str | None, tz: str | None = None) -> _Scheduler:
    return _Scheduler(data_dir, nats_url, UTC_TIME if tz is None else zone_named(tz))


@jobs.command("list")
def list_jobs(as_json: AsJson = False, tz: Tz = None, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Every job, what makes it due, where it stands, and how its newest run ended."""
    scheduler = _scheduler(data_dir, nats_url, tz)
    found = scheduler.ask("jobs", {}, list[view.JobRow])
    if as_json:
        for row in found:
            print(view.as_json(row))
    elif not found:
        view.say("no job is defined; `jobs define` takes a file of them")
    else:
        view.show_jobs(found, scheduler.zone)


@jobs.command("show")
def show(
    job: JobName, as_json: AsJson = False, tz: Tz = None, data_dir: DataDir = None, nats_url: NatsUrl = None
) -> None:
    """A job as `define` takes it; as comments what runs of it are open, and when it is due next."""
    scheduler = _scheduler(data_dir, nats_url, tz)
    found = scheduler.ask("job", {"job": job}, view.JobInFull)
    if as_json:
        print(view.as_json(found))
    else:
        view.show_job(found, scheduler.zone)


@jobs.command("runs")
def runs(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Those of one job; without, of all.")] = "",
    limit: Annotated[int, typer.Option(help="Most runs, newest first.", min=1, max=1_000)] = 50,
    as_json: AsJson = False,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Runs that have ended, the newest first; those that were missed in a row are one line."""
    scheduler = _scheduler(data_dir, nats_url, tz)
    found = scheduler.ask("runs", {"job": job, "limit": limit}, _Runs).runs
    if as_json:
        for row in found:
            print(view.as_json(row))
    elif not found:
        view.say("no run has ended")
    else:
        view.show_runs(found, scheduler.zone, of_one=bool(job))


@jobs.command("next")
def next_times(
    job: JobName,
    count: Annotated[int, typer.Option(help="So many due times.", min=1, max=100)] = 5,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """When a job is due next, a time a line."""
    scheduler = _scheduler(data_dir, nats_url, tz)
    found = scheduler.ask("next", {"job": job, "count": count}, list[int])
    if not found:
        view.say(f"no clock makes {job} due")
    for ts in found:
        print(view.when(ts, scheduler.zone))


@jobs.command("run")
def run_now(
    job: JobName,
    wait: Annotated[bool, typer.Option("--wait", help="Until it has ended; fails where it did not succeed.")] = False,
    who: Who = "",
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Run a job now, whatever its trigger; the time that is shown is what `cancel` takes."""
    scheduler = _scheduler(data_dir, nats_url, tz)
    due = scheduler.change("run", who, _Due, job=job).due
    view.say(f"{job}: asked for the run of {view.when(due, scheduler.zone)}")
    if not wait:
        return
    row = _ended(scheduler, job, due)

    took, attempts = view.duration(row.ran_s), count_of(row.attempts, "attempt")
    view.say(f"{job}: {view.in_words(row.status)} after {took} and {attempts}")
    if row.reason:
        view.say(f"reason: {view.reason_of(row, scheduler.zone)}")
    if row.status != "succeeded":
        raise typer.Exit(Exit.FAILED)


def _ended(scheduler: _Scheduler, job: str, due: int) -> view.RunRow:
    """The run that somebody asked for, once it has ended. Raises Stop: nobody begins it."""

    def is_it(row: view.RunRow | view.OpenRun) -> bool:
        return row.origin == "operator" and due <= row.due < due + _SAME_RUN_NS

    seen = time.monotonic()
    while True:
        # What is open is looked at first: a run that ends between the two is among those that have ended then.
        is_open = any(map(is_it, scheduler.ask("job", {"job": job}, view.JobInFull).open))
        ended = scheduler.ask("runs", {"job": job, "limit": _MOST_LOOKED_AT}, _Runs).runs
        if (found := [row for row in ended if is_it(row)]) and not is_open:
            return min(found, key=lambda row: row.due)
        if is_open:
            seen = time.monotonic()
        elif time.monotonic() - seen > _TAKEN_S:
            raise Stop(Exit.FAILED, f"{job}: expected a scheduler that leads to take the run within {_TAKEN_S:g} s")
        time.sleep(_WAIT_LOOK_S)


@jobs.command("pause")
def pause(job: JobName, reason: Reason = "", who: Who = "", data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Plan a job no more until it is resumed; what is open goes on."""
    _scheduler(data_dir, nats_url).change("pause", who, _Done, job=job, reason=reason)
    view.say(f"{job} is paused")


@jobs.command("resume")
def resume(
    job: JobName, reason: Reason = "", who: Who = "", data_dir: DataDir = None, nats_url: NatsUrl = None
) -> None:
    """Plan a job again from now on; what was due meanwhile is in `runs` as missed."""
    _scheduler(data_dir, nats_url).change("resume", who, _Done, job=job, reason=reason)
    view.say(f"{job} is planned again")


@jobs.command("remove")
def remove(
    job: JobName, reason: Reason = "", who: Who = "", data_dir: DataDir = None, nats_url: NatsUrl = None
) -> None:
    """Define a job no more, be it built in or of the file; `reset` takes that back."""
    _scheduler(data_dir, nats_url).change("remove", who, _Done, job=job, reason=reason)
    view.say(f"{job} is removed; its runs stay in `jobs runs`")


@jobs.command("reset")
def reset(job: JobName, who: Who = "", data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Forget what was written of a job: that of the scheduler's file, or the built-in one, holds again."""
    _scheduler(data_dir, nats_url).change("reset", who, _Done, job=job)
    view.say(f"{job}: what was written of it is forgotten")


@jobs.command("cancel")
def cancel(
    job: JobName,
    due: Annotated[str, typer.Argument(metavar="DUE", help="When the run was due, as `show` has it of open runs.")],
    who: Who = "",
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """End a run that is not done, whether it has begun or not."""
    scheduler = _scheduler(data_dir, nats_url, tz)
    ts = scheduler.zone.instant(due, "due")
    scheduler.change("cancel", who, _Done, job=job, due=ts)
    view.say(f"{job}: asked to end the run of {view.when(ts or 0, scheduler.zone)}")


@jobs.command("backfill")
def backfill(
    job: JobName,
    first: Annotated[str, typer.Argument(metavar="FIRST", help="Begin of the span: 2018-10-09 or 2018-10-09T21:00.")],
    last: Annotated[str, typer.Argument(metavar="LAST", help="End of the span, included; of a day all of it.")],
    who: Who = "",
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Run a job for the due times of a span that has passed, one after the other."""
    scheduler = _scheduler(data_dir, nats_url, tz)
    zone = scheduler.zone
    span = {"first": zone.instant(first, "first"), "last": _end_of(last, zone)}
    found = scheduler.change("backfill", who, _DueTimes, job=job, **span).due
    times = [view.when(ts, zone) for ts in found]
    if len(times) == 1:
        view.say(f"{job}: asked for the run of {times[0]}")
    else:
        view.say(
            f"{job}: asked for {count_of(len(times), 'run')}, the first due at {times[0]}, the last at {times[-1]}"
        )


def _end_of(text: str, zone: Zone) -> int | None:
    """The last instant that is meant: of a day its end, or now where that has not passed. Raises Stop."""
    try:
        day = day_of_text(text, "last")
    except Stop:
        return zone.instant(text, "last")
    following = zone.instant((day + timedelta(days=1)).isoformat(), "last") or 0
    begin = zone.instant(text, "last") or 0
    return max(begin, min(following - 1, time.time_ns()))


@jobs.command("define")
def define(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML with a table jobs.NAME for each job.")],
    only: Annotated[list[str] | None, typer.Option("--only", help="This job of the file; may be given again.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check each as if it were written, write nothing.")
    ] = False,
    reason: Reason = "",
    who: Who = "",
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Write jobs of a file, in its order; one that is refused ends it, and those before it stay."""
    documents = _read(file)
    for name in only or ():
        if name not in documents:
            known = ", ".join(documents) or "none"
            raise Stop(Exit.USAGE, f"--only: expected a job of {file} ({known}), was {name!r}")
    scheduler = _scheduler(data_dir, nats_url, tz)
    for name in [each for each in documents if not only or each in only]:
        order: dict[str, object] = {"job": name, "reason": reason, "dry_run": dry_run}
        order["document"] = msgspec.to_builtins(documents[name])
        if dry_run:
            order["beside"] = msgspec.to_builtins(dict(documents))
        due = scheduler.change("define", who, _Defined, **order).next
        text = f"due next at {view.when(due[0], scheduler.zone)}" if due else "no clock makes it due"
        view.say(f"{name}: would be written; {text}" if dry_run else f"{name}: written; {text}")


def _read(file: Path) -> Mapping[str, JobDocument]:
    """The jobs of a file. Raises Stop."""
    try:
        found = read_file(file.read_text(encoding="utf-8"), str(file))
    except DefinitionError as error:
        raise Stop(Exit.USAGE, str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        why = reason_of(error).removeprefix(f"{file}: ")
        raise Stop(Exit.USAGE, f"{file}: expected a file of jobs that can be read: {why}") from error
    if not found:
        raise Stop(Exit.USAGE, f"{file}: expected tables jobs.NAME, there is none")
    return found


@jobs.command("handlers")
def handlers(as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """What the services that run now can do as jobs: what `command` takes, and the fields of its body."""
    found = _scheduler(data_dir, nats_url).ask("handlers", {}, dict[str, view.Handler], _CHANGE_S)
    if as_json:
        for command, handler in found.items():
            print(view.as_json(msgspec.structs.replace(handler, name=command)))
        return
    rows = [
        {"command": command, "body": view.fields_of(handler.body), "does": handler.summary}
        for command, handler in found.items()
    ]
    if not rows:
        view.say("no service that runs does jobs")
    else:
        show_table(out, rows, tuple(rows[0]), Look(last=len(rows)))


__all__ = ["jobs"]
