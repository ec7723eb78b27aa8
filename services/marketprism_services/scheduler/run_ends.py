"""Ends of runs: what a claim says to the planner, and what people want to be told of."""

from __future__ import annotations

from marketprism_application.contracts.schedule_records import RunRecord
from marketprism_application.scheduling.run_changes import Outcome
from marketprism_domain.events.scheduling import JobRunFailed, JobRunsMissed
from marketprism_domain.scheduling.runs import RunStatus
from marketprism_domain.values import NANOS_PER_SECOND
from marketprism_sdk.messaging import ClaimStatus, JobClaim

_STATUS = {
    ClaimStatus.SUCCEEDED: RunStatus.SUCCEEDED,
    ClaimStatus.FAILED: RunStatus.FAILED,
    ClaimStatus.REFUSED: RunStatus.FAILED,
    ClaimStatus.TIMED_OUT: RunStatus.TIMED_OUT,
    ClaimStatus.CANCELLED: RunStatus.CANCELLED,
}


def outcome_of_claim(claim: JobClaim) -> Outcome:
    """What a claim that is final says."""
    ran_s = (claim.ended_at - claim.begun_at) / NANOS_PER_SECOND if claim.begun_at else 0.0
    refused = claim.status is ClaimStatus.REFUSED
    return Outcome(_STATUS[claim.status], claim.reason, claim.output, max(0.0, ran_s), is_final=refused)


def event_of(record: RunRecord) -> JobRunFailed | JobRunsMissed | None:
    """The event that a run is which has ended, None where nobody has to look at it."""
    if record.status.has_failed:
        return JobRunFailed(record.job, record.due, record.status.value, record.attempts, record.reason)
    if record.status is RunStatus.MISSED:
        return JobRunsMissed(record.job, record.runs, record.due, record.last_due or record.due, record.reason)
    return None


__all__ = ["event_of", "outcome_of_claim"]
