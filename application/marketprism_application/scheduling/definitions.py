"""Jobs between the documents that people write and the values that are planned with."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import msgspec

from marketprism_application.contracts.schedule_records import JobDocument
from marketprism_application.errors import DefinitionError
from marketprism_domain.errors import InvalidValue
from marketprism_domain.scheduling.jobs import (
    CatchUp,
    CatchUpRule,
    Dependency,
    Job,
    Overlap,
    RetryRule,
    check_graph,
)
from marketprism_domain.scheduling.triggers import parse_span, parse_trigger
from marketprism_domain.values import NANOS_PER_SECOND

MAX_BODY_BYTES = 64 << 10
# What a value of the job is called in its document, where that has another name: there, spans are texts.
_FIELDS = {
    "window_s": "catch_up_window",
    "most": "catch_up_most",
    "pause_s": "retry_pause",
    "factor": "retry_factor",
    "longest_s": "retry_longest",
    "timeout_s": "timeout",
    "begin_s": "begin_within",
    "jitter_s": "jitter",
    "late_s": "late",
}
E_ = TypeVar("E_", bound=StrEnum)


def job_of(name: str, document: JobDocument) -> Job:
    """The job that a document defines.

    Raises:
        InvalidValue: names the field.
    """
    try:
        size = max(len(msgspec.json.encode(document.body)), len(msgspec.msgpack.encode(document.body)))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidValue(
            "body", f"what JSON and MessagePack can hold ({error})", f"{repr(document.body)[:80]}…"
        ) from None
    if size > MAX_BODY_BYTES:
        raise InvalidValue("body", f"at most {MAX_BODY_BYTES} bytes", f"{repr(document.body)[:80]}…")
    try:
        return Job(
            name,
            parse_trigger(document.trigger),
            document.command,
            document.body,
            tuple(Dependency.parse(each) for each in document.after),
            _one_of(Overlap, "overlap", document.overlap),
            CatchUpRule(
                _one_of(CatchUp, "catch_up", document.catch_up),
                _seconds("catch_up_window", document.catch_up_window),
                document.catch_up_most,
            ),
            RetryRule(
                document.attempts,
                _seconds("retry_pause", document.retry_pause),
                document.retry_factor,
                _seconds("retry_longest", document.retry_longest),
            ),
            _seconds("timeout", document.timeout),
            _seconds("begin_within", document.begin_within),
            _seconds("jitter", document.jitter),
            _seconds("late", document.late),
            document.enabled,
            document.note,
        )
    except InvalidValue as error:
        raise InvalidValue(_FIELDS.get(error.field, error.field), error.expected, error.was) from None


def _one_of(kind: type[E_], field: str, text: str) -> E_:
    try:
        return kind(text)
    except ValueError:
        raise InvalidValue(field, f"one of {', '.join(kind)}", text) from None


def _seconds(field: str, text: str) -> float:
    try:
        return parse_span(text) / NANOS_PER_SECOND
    except InvalidValue as error:
        raise InvalidValue(field, error.expected, text) from None


def read_document(name: str, value: object) -> JobDocument:
    """A document as it came, from a file or over the API.

    Raises:
        DefinitionError: it is none, or none of a job; names the job and the field.
    """
    try:
        document = msgspec.convert(value, JobDocument)
        job_of(name, document)
    except (msgspec.ValidationError, InvalidValue) as error:
        raise DefinitionError(f"job {name}: {error}") from error
    return document


def read_file(text: str, where: str) -> dict[str, JobDocument]:
    """The jobs of a TOML file: a table `jobs.<name>` each.

    Raises:
        DefinitionError: names the file, the job and the field.
    """
    try:
        found: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DefinitionError(f"{where}: expected TOML: {error}") from error
    tables = found.pop("jobs", {})
    if found or not isinstance(tables, dict):
        raise DefinitionError(f"{where}: expected tables jobs.<name> alone, was {', '.join(found) or 'jobs'}")
    try:
        return {name: read_document(name, table) for name, table in tables.items()}
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error}") from error


def check_together(documents: Mapping[str, JobDocument]) -> dict[str, Job]:
    """The jobs of all documents, which wait for each other in no circle and for none that is not there.

    Raises:
        InvalidValue: names the first that does, or the field of a job.
    """
    jobs = {name: job_of(name, document) for name, document in documents.items()}
    check_graph(jobs.values())
    return jobs


__all__ = ["check_together", "job_of", "read_document", "read_file"]
