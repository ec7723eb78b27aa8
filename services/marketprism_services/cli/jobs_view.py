"""What is shown of jobs and their runs, and a job as the file has it that defines it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import msgspec

from marketprism_domain.values import NANOS_PER_SECOND
from marketprism_services.cli.clocks import Zone
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.language.console import harmless
from marketprism_services.cli.options import out
from marketprism_services.cli.tables import Look, show_table

_INSTANT = re.compile(r"(?<![\d.])\d{19}(?![\d.])")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_MINUTE_S = 60
_DEFINED = {"built-in": "built into the scheduler", "file": "in the scheduler's file", "stored": "by people"}


class OpenRun(msgspec.Struct):
    """A run that is not done; times are nanoseconds UTC."""

    due: int
    status: str
    origin: str
    attempt: int
    since: int
    begun_at: int
    not_before: int
    reason: str
    by: str


class JobRow(msgspec.Struct):
    """A job as the list has it; times are nanoseconds UTC, 0 for never."""

    job: str
    trigger: str
    command: str
    after: list[str]
    note: str
    enabled: bool
    paused: bool
    origin: str
    revision: int
    refused: str
    last_due: int
    last_status: str
    last_success: int
    failures: int
    open: list[OpenRun]

    @property
    def status(self) -> str:
        """Where it stands, in one word: what keeps it from being planned comes first."""
        if self.refused:
            return "refused"
        if not self.enabled:
            return "disabled"
        if self.paused:
            return "paused"
        return "running" if any(run.status == "running" for run in self.open) else "waiting"


class Written(msgspec.Struct):
    """Who wrote the newest definition of a job, or paused it, when and why."""

    by: str
    at: int
    reason: str


class JobInFull(JobRow):
    """A job with its definition and its next due times."""

    document: dict[str, object]
    next: list[int]
    written: Written | None


class RunRow(msgspec.Struct):
    """A run that has ended, or, of `missed` ones, `runs` in a row from `due` to `last_due`."""

    job: str
    due: int
    status: str
    origin: str
    begun_at: int
    ended_at: int
    attempts: int
    ran_s: float
    reason: str
    output: object
    runs: int
    last_due: int
    by: str
    epoch: int


class Handler(msgspec.Struct):
    """What a service does as a job, and the JSON Schema of its body."""

    name: str
    summary: str
    body: dict[str, object]


def when(ts: int, zone: Zone) -> str:
    """An instant as a person writes it, so that it can be given again: due times are exact to a tenth of a second."""
    return zone.text(ts, with_ms=bool(ts % NANOS_PER_SECOND))


def readable(text: str, zone: Zone) -> str:
    """A sentence of the scheduler, which names instants as nanoseconds, with times that people can read."""
    return _INSTANT.sub(lambda found: when(int(found[0]), zone), text)


def duration(seconds: float) -> str:
    """`0.3 s`, `12 s`, `3 min 5 s`."""
    if round(seconds) < _MINUTE_S:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def as_json(row: msgspec.Struct) -> str:
    """One line of JSON."""
    return json.dumps(msgspec.to_builtins(row), ensure_ascii=False)


def show_jobs(rows: list[JobRow], zone: Zone) -> None:
    """A table of jobs."""
    shown = [
        {
            "job": row.job,
            "trigger": row.trigger,
            "status": row.status,
            "newest_run": row.last_status,
            "ts_due": row.last_due or None,
            "note": readable(row.refused, zone) or row.note,
        }
        for row in rows
    ]
    show_table(out, shown, tuple(shown[0]), Look(f"jobs, {zone.name}", zone, len(shown), ("note",)))


def show_runs(rows: list[RunRow], zone: Zone, *, of_one: bool) -> None:
    """A table of runs that have ended."""
    shown = [
        {
            "job": row.job,
            "ts_due": row.due,
            "status": row.status,
            "attempts": row.attempts or None,
            "duration": duration(row.ran_s) if row.attempts else "",
            "origin": row.origin,
            "reason": reason_of(row, zone),
        }
        for row in rows
    ]
    columns = [name for name in shown[0] if name != "job" or not of_one]
    show_table(out, shown, columns, Look(f"runs, {zone.name}", zone, len(shown), ("origin",)))


def reason_of(row: RunRow, zone: Zone) -> str:
    """Why a run ended as it did; of several in a row that were missed, how many they are."""
    reason = in_words(readable(row.reason, zone))
    return f"{row.runs} times, the last at {when(row.last_due, zone)}: {reason}" if row.runs > 1 else reason


def show_job(job: JobInFull, zone: Zone) -> None:
    """Its definition, as `define` takes it, then what becomes of it as comments: the whole is a file of one job."""
    for line in definition(job.job, job.document):
        print(harmless(line))
    say(f"# status: {in_words(job.status)}, defined {_DEFINED.get(job.origin, job.origin)}")
    if job.refused:
        say(f"# not planned: {readable(job.refused, zone)}")
    if (written := job.written) is not None:
        say(f"# written by {written.by} at {when(written.at, zone)}")
        if written.reason:
            say(f"# reason: {written.reason}")
    if job.last_due:
        say(f"# last run: due {when(job.last_due, zone)}, {in_words(job.last_status)}")
    if job.failures:
        say(f"# failed runs in a row: {job.failures}")
    for run in job.open:
        origin = in_words(run.origin)
        say(f"# open run: due {when(run.due, zone)}, {in_words(run.status)}, attempt {run.attempt}, {origin}")
    for ts in job.next:
        say(f"# due next: {when(ts, zone)}")
    say(f"# times: {zone.name}")


def say(text: str) -> None:
    """A sentence as it is, in the user's language."""
    out.print(" ".join(text.splitlines()), highlight=False, markup=False)


def in_words(word: str) -> str:
    """A word of the scheduler in the user's language; within a sentence, single words stay as they are."""
    return spoken().translate(word)


def definition(name: str, document: Mapping[str, object]) -> list[str]:
    """The lines of a job in a file of jobs; what is as it is without being named is not among them."""
    return [f"[jobs.{name}]", *(f"{key} = {_toml(value)}" for key, value in document.items())]


def _toml(value: object) -> str:
    """A value of a document, on one line. JSON has a null and TOML has none: such a field is left out."""
    if isinstance(value, Mapping):
        fields = (f"{_key(name)} = {_toml(each)}" for name, each in value.items() if each is not None)
        return f"{{ {', '.join(fields)} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(each) for each in value if each is not None)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=not value.isprintable())
    return json.dumps(value)


def _key(name: object) -> str:
    text = str(name)
    return text if _BARE_KEY.fullmatch(text) else _toml(text)


def fields_of(schema: Mapping[str, object]) -> str:
    """The fields of a body by its JSON Schema, `text, fails`; those that have to be there with a star."""
    shape: object = schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and isinstance(definitions := schema.get("$defs"), Mapping):
        shape = definitions.get(reference.rpartition("/")[2], {})
    if not isinstance(shape, Mapping) or not isinstance(fields := shape.get("properties"), Mapping):
        return ""
    required = shape.get("required", [])
    return ", ".join(f"{name}*" if isinstance(required, list) and name in required else str(name) for name in fields)


__all__ = [
    "Handler",
    "JobInFull",
    "JobRow",
    "RunRow",
    "as_json",
    "definition",
    "duration",
    "fields_of",
    "in_words",
    "readable",
    "reason_of",
    "say",
    "show_job",
    "show_jobs",
    "show_runs",
    "when",
]
