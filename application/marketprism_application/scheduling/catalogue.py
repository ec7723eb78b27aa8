"""Which jobs there are: those built in, those of the file, and what people have written since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from marketprism_application.contracts.schedule_records import JobDefinition, JobDocument
from marketprism_application.scheduling.definitions import check_together, job_of
from marketprism_domain.errors import InvalidValue
from marketprism_domain.scheduling.jobs import Job, check_graph

BUILT_IN, FILE, STORED = "built-in", "file", "stored"


class DefinedJob(NamedTuple):
    """A job as it holds: its document, where that is from, and what was written of it (None, 0: nothing)."""

    name: str
    document: JobDocument
    origin: str
    written: JobDefinition | None = None
    revision: int = 0

    @property
    def paused(self) -> bool:
        """Whether somebody has paused it."""
        return self.written is not None and self.written.paused


def defined_jobs(
    built_in: Mapping[str, JobDocument],
    file: Mapping[str, JobDocument],
    written: Mapping[str, tuple[JobDefinition, int]],
) -> dict[str, DefinedJob]:
    """The jobs that hold, by name: what is written comes before the file, and that before what is built in."""
    found = {name: DefinedJob(name, document, BUILT_IN) for name, document in built_in.items()}
    found |= {name: DefinedJob(name, document, FILE) for name, document in file.items()}
    for name, (definition, revision) in written.items():
        if definition.removed:
            found.pop(name, None)
        elif definition.document is not None:
            found[name] = DefinedJob(name, definition.document, STORED, definition, revision)
        elif name in found:  # else it was written of a job that a later version no longer has
            found[name] = found[name]._replace(written=definition, revision=revision)
    return found


def admitted(defined: Mapping[str, DefinedJob]) -> tuple[dict[str, Job], dict[str, str]]:
    """The jobs that can be planned, and why each of the others cannot.

    Definitions are checked together before they are written; two that are written at once, or a file that has changed
    since, may still be wrong together. Those are refused then, and what depends on them; all others are planned.
    """
    try:
        return check_together({name: each.document for name, each in defined.items()}), {}
    except InvalidValue:
        pass
    jobs: dict[str, Job] = {}
    refused: dict[str, str] = {}
    waiting: dict[str, Job] = {}
    for name, each in defined.items():
        try:
            waiting[name] = job_of(name, each.document)
        except InvalidValue as error:
            refused[name] = str(error)
    while waiting:
        ready = [name for name, job in waiting.items() if all(each.job in jobs for each in job.after)]
        if not ready:
            break
        jobs |= {name: waiting.pop(name) for name in ready}
    for name, job in waiting.items():  # in a circle, or behind one that is refused
        try:
            check_graph([*jobs.values(), *waiting.values()])
        except InvalidValue as error:
            refused[name] = str(error)
        else:
            refused[name] = f"after: expected jobs that can be planned, was {', '.join(map(str, job.after))}"
    return jobs, refused


__all__ = ["BUILT_IN", "FILE", "STORED", "DefinedJob", "admitted", "defined_jobs"]
