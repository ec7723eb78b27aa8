"""What the scheduler answers over HTTP (`/api/v1/scheduler/…`) and over NATS (`rpc.scheduler.…`), the same by both."""

from __future__ import annotations

import msgspec

from marketprism_application.contracts.schedule_records import JobState, RunRecord
from marketprism_application.scheduling.catalogue import DefinedJob
from marketprism_sdk.messaging import Caller
from marketprism_sdk.service import http, rpc
from marketprism_services.scheduler.job_desk import MOST_RUNS, JobDesk


class Nothing(msgspec.Struct):
    """No argument."""


class JobAsked(msgspec.Struct):
    """One job."""

    job: str


class RunsAsked(msgspec.Struct):
    """The newest runs that have ended; `job` empty for those of all. `before` is where an answer before has ended."""

    job: str = ""
    limit: int = 50
    before: str = ""


class NextAsked(msgspec.Struct):
    """The next `count` due times behind `after`, nanoseconds UTC, 0 for now."""

    job: str
    count: int = 5
    after: int = 0


class JobOrder(msgspec.Struct):
    """Something that is wanted of a job; `who` counts where no gateway says who that is."""

    job: str
    reason: str = ""
    who: str = ""


class NowOrder(msgspec.Struct):
    """A run of a job that is wanted now."""

    job: str
    who: str = ""


class RunOrder(msgspec.Struct):
    """The run of a job that was due at `due`, nanoseconds UTC; of several the one of the request `asked`."""

    job: str
    due: int
    who: str = ""
    asked: int = 0


class SpanOrder(msgspec.Struct):
    """The due times of a job from `first` to `last`, nanoseconds UTC."""

    job: str
    first: int
    last: int
    who: str = ""


class DefinitionOrder(msgspec.Struct):
    """How a job is to be defined. A `dry_run` writes nothing, and takes what is `beside` as
    written; with a `revision` it replaces that one only."""

    job: str
    document: dict[str, object]
    reason: str = ""
    dry_run: bool = False
    revision: int | None = None
    who: str = ""
    beside: dict[str, dict[str, object]] = {}


class JobOperations:
    """Answers of every instance."""

    def __init__(self, desk: JobDesk) -> None:
        self._desk = desk

    @rpc("jobs")
    @http("GET", "/jobs", scope="sys:read", weight=2)
    async def jobs(self, _: Nothing) -> list[dict[str, object]]:
        """Every job, where it stands and when it ran last."""
        return [self._shown(*each) for each in await self._desk.jobs()]

    @rpc("job")
    @http("GET", "/jobs/{job}", scope="sys:read")
    async def job(self, asked: JobAsked) -> dict[str, object]:
        """A job with its definition, its runs that are not done and its next due times."""
        defined, state = await self._desk.job(asked.job)
        shown = self._shown(defined, state)
        shown["document"] = msgspec.to_builtins(defined.document)
        is_planned = defined.document.enabled and not defined.paused and not shown["refused"]
        shown["next"] = await self._desk.next_times(asked.job, 5) if is_planned else []
        written = defined.written
        shown["written"] = (
            None if written is None else {"by": written.actor, "at": written.at, "reason": written.reason}
        )
        return shown

    @rpc("runs")
    @http("GET", "/runs", scope="sys:read", weight=5)
    async def runs(self, asked: RunsAsked) -> dict[str, object]:
        """Runs that have ended, the newest first; `before` is where the next page begins, empty where there is none."""
        found = await self._desk.runs(asked.job or None, asked.limit, asked.before)
        full = len(found) >= max(1, min(asked.limit, MOST_RUNS))
        return {"runs": [_run(record) for _, record in found], "before": found[-1][0] if full else ""}

    @rpc("next")
    @http("GET", "/jobs/{job}/next", scope="sys:read")
    async def next_times(self, asked: NextAsked) -> list[int]:
        """When a job is due next, nanoseconds UTC."""
        return await self._desk.next_times(asked.job, asked.count, asked.after)

    @rpc("handlers")
    @http("GET", "/handlers", scope="sys:read", weight=5)
    async def handlers(self, _: Nothing) -> dict[str, object]:
        """What the services that run now can do as jobs."""
        return await self._desk.handlers()

    @rpc("define")
    @http("PUT", "/jobs/{job}", scope="sys:operate", weight=5)
    async def define(self, order: DefinitionOrder, caller: Caller | None = None) -> dict[str, object]:
        """Define a job, or say what a definition would be: it is checked by the service that is to do it."""
        document, due, revision = await self._desk.define(
            order.job,
            order.document,
            actor=_who(order.who, caller),
            reason=order.reason[:500],
            dry_run=order.dry_run,
            revision=order.revision,
            beside=order.beside,
        )
        return {"job": order.job, "document": msgspec.to_builtins(document), "next": due, "revision": revision}

    @rpc("remove")
    @http("DELETE", "/jobs/{job}", scope="sys:operate", weight=5)
    async def remove(self, order: JobOrder, caller: Caller | None = None) -> dict[str, object]:
        """Define a job no more; its history stays, and what is open of it ends."""
        await self._desk.remove(order.job, actor=_who(order.who, caller), reason=order.reason[:500])
        return {"job": order.job, "removed": True}

    @rpc("reset")
    @http("POST", "/jobs/{job}/reset", scope="sys:operate", weight=5)
    async def reset(self, order: JobOrder, caller: Caller | None = None) -> dict[str, object]:
        """Forget what was written of a job: that of the file, or the built-in one, holds again."""
        await self._desk.reset(order.job, actor=_who(order.who, caller), reason=order.reason[:500])
        return {"job": order.job, "reset": True}

    @rpc("pause")
    @http("POST", "/jobs/{job}/pause", scope="sys:operate")
    async def pause(self, order: JobOrder, caller: Caller | None = None) -> dict[str, object]:
        """Plan a job no more until it is resumed; what is open goes on."""
        await self._desk.pause(order.job, actor=_who(order.who, caller), reason=order.reason[:500], paused=True)
        return {"job": order.job, "paused": True}

    @rpc("resume")
    @http("POST", "/jobs/{job}/resume", scope="sys:operate")
    async def resume(self, order: JobOrder, caller: Caller | None = None) -> dict[str, object]:
        """Plan a job again from now on; what was due meanwhile is in its history as missed."""
        await self._desk.pause(order.job, actor=_who(order.who, caller), reason=order.reason[:500], paused=False)
        return {"job": order.job, "paused": False}

    @rpc("run")
    @http("POST", "/jobs/{job}/run", scope="sys:operate", weight=5)
    async def run_now(self, order: NowOrder, caller: Caller | None = None) -> dict[str, object]:
        """Run a job now; `due`, and `asked` where there are several of one time, are by what the run is known."""
        due, asked = await self._desk.run_now(order.job, actor=_who(order.who, caller))
        return {"job": order.job, "due": due, "asked": asked}

    @rpc("cancel")
    @http("POST", "/jobs/{job}/cancel", scope="sys:operate")
    async def cancel(self, order: RunOrder, caller: Caller | None = None) -> dict[str, object]:
        """End a run that is not done."""
        await self._desk.cancel(order.job, order.due, actor=_who(order.who, caller), asked=order.asked)
        return {"job": order.job, "due": order.due, "cancelled": True}

    @rpc("backfill")
    @http("POST", "/jobs/{job}/backfill", scope="sys:operate", weight=10)
    async def backfill(self, order: SpanOrder, caller: Caller | None = None) -> dict[str, object]:
        """Run a job for the due times of a span that has passed, one after the other."""
        due = await self._desk.backfill(order.job, order.first, order.last, actor=_who(order.who, caller))
        return {"job": order.job, "due": due}

    def _shown(self, defined: DefinedJob, state: JobState | None) -> dict[str, object]:
        document, written = defined.document, defined.written
        return {
            "job": defined.name,
            "trigger": document.trigger,
            "command": document.command,
            "after": document.after,
            "note": document.note,
            "enabled": document.enabled,
            "paused": defined.paused,
            "paused_by": written.paused_by if written is not None else "",
            "paused_at": written.paused_at if written is not None else 0,
            "paused_for": written.paused_for if written is not None else "",
            "origin": defined.origin,
            "revision": defined.revision,
            "refused": self._desk.refusal(defined.name),
            "last_due": state.ended_due if state is not None else 0,
            "last_status": state.ended_status.value if state is not None and state.ended_status is not None else "",
            "last_success": state.last_success if state is not None else 0,
            "failures": state.failures if state is not None else 0,
            "open": [
                {
                    "due": run.due,
                    "status": run.status.value,
                    "origin": run.origin.value,
                    "attempt": run.attempt,
                    "since": run.since,
                    "begun_at": run.begun_at,
                    "not_before": run.not_before,
                    "reason": run.reason,
                    "by": run.actor,
                    "asked": run.asked,
                }
                for run in (state.open if state is not None else ())
            ][:100],
        }


def _run(record: RunRecord) -> dict[str, object]:
    return {
        "job": record.job,
        "due": record.due,
        "status": record.status.value,
        "origin": record.origin.value,
        "begun_at": record.begun_at,
        "ended_at": record.ended_at,
        "attempts": record.attempts,
        "ran_s": record.ran_s,
        "reason": record.reason,
        "output": record.output,
        "runs": record.runs,
        "last_due": record.last_due or record.due,
        "by": record.actor,
        "asked": record.asked,
        "epoch": record.epoch,
    }


def _who(named: str, caller: Caller | None) -> str:
    """Who the gateway says it is; without one, who it says itself."""
    return caller.id if caller is not None else (named or "operator")[:100]


__all__ = ["JobOperations"]
