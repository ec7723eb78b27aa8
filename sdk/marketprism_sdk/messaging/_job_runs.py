"""Runs of jobs: work that may last long, is begun once, and whose result is kept for whoever gave it.

A run is submitted to the work queue `JOBS` under a key. Before an instance of its service begins it, it claims the key
in the bucket `job_claims` by compare-and-swap; a key that was claimed is never begun again, by whomever and however
often it arrives. The claim is also where the run ends: by the instance that does it, or by whoever gives the run up.
The first of the two is what counts, and the other one is refused. A command (`_commands.py`) is the opposite: short,
done at least once, and repeated until it succeeds.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from enum import StrEnum

import msgspec

from marketprism_sdk.errors import KeyExists, RevisionConflict
from marketprism_sdk.messaging._command_queues import checked_token
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import ensure_stream, publish_ack
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.stream_config import identity
from marketprism_sdk.ports import KvEntry, Stop
from marketprism_sdk.values import decode_or_none

JOBS = "JOBS"
JOB_CLAIMS = "job_claims"
JOB_CLAIMS_S = 7 * 86_400.0  # longer than any run may take, and than a queue may hold it
JOBS_S = 2 * 86_400.0
MOST_OUTPUT_BYTES = 64 << 10
_ATTEMPTS = 10


class JobRun(msgspec.Struct, frozen=True):
    """A run as it is submitted. `due` is the instant that it is for, nanoseconds UTC; `key` names this attempt at it,
    `attempt` counts from 1. A handler that takes longer than `timeout_s` is cancelled."""

    key: str
    job: str
    handler: str
    due: int
    attempt: int
    body: object = None
    timeout_s: float = 300.0


class ClaimStatus(StrEnum):
    """Where a claimed run stands; it ends in one of the last five."""

    BEGUN = "begun"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"  # by the service's own word: the same again would be refused again
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


class JobClaim(msgspec.Struct, frozen=True):
    """What is known of an attempt. `instance` does it, or would have; times are nanoseconds UTC, 0 for never."""

    status: ClaimStatus
    instance: str = ""
    begun_at: int = 0
    ended_at: int = 0
    reason: str = ""
    output: object = None

    @property
    def is_final(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.status is not ClaimStatus.BEGUN


async def ensure_job_streams(connection: NatsConnection, replicas: int = 1) -> None:
    """The work queue. Raises what `ensure_stream` does."""
    await ensure_stream(
        connection,
        {
            "name": JOBS,
            "subjects": ["job.>"],
            "retention": "workqueue",
            "max_age": int(JOBS_S * 1e9),
            "storage": "file",
            "num_replicas": replicas,
            "allow_direct": True,
            "metadata": identity(),
        },
    )


async def submit_run(connection: NatsConnection, service: str, run: JobRun) -> None:
    """Put a run on the queue of a service; doing it twice is doing it once.

    Raises:
        InvalidSubject: a service or handler that is no name. StreamError, NotConnected: not taken.
    """
    subject = f"job.{checked_token('service', service)}.{checked_token('handler', run.handler)}"
    await publish_ack(connection, subject, msgspec.msgpack.encode(run), {"Nats-Msg-Id": run.key})


class JobClaims:
    """The bucket of claims, by the key of an attempt. Methods raise what the bucket raises."""

    def __init__(self, bucket: NatsKeyValue, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._bucket = bucket
        self._clock_ns = clock_ns

    @classmethod
    async def open(cls, connection: NatsConnection, replicas: int = 1) -> JobClaims:
        """The bucket, made if need be."""
        return cls(await NatsKeyValue.open(connection, JOB_CLAIMS, ttl_s=JOB_CLAIMS_S, replicas=replicas))

    async def get(self, key: str) -> JobClaim | None:
        """What is known of an attempt, None where nobody has claimed it."""
        return decode_or_none(await self._bucket.get(key), JobClaim)

    async def begin(self, key: str, instance: str) -> tuple[int, JobClaim] | None:
        """Claim an attempt: the claim and its revision, None where somebody else has claimed it or it was given up.

        What the instance has claimed already is its own again: an answer that was lost. That it has not begun it is for
        the instance to know.
        """
        claim = JobClaim(ClaimStatus.BEGUN, instance, self._clock_ns())
        try:
            return await self._bucket.create(key, msgspec.msgpack.encode(claim)), claim
        except KeyExists:
            entry = await self._bucket.get(key)
            there = decode_or_none(entry, JobClaim)
            if entry is None or there is None or there.is_final or there.instance != instance:
                return None
            return entry.revision, there

    async def end(self, key: str, revision: int, claim: JobClaim) -> bool:
        """Write how it ended; False where it was given up meanwhile: its result counts for nothing."""
        try:
            await self._bucket.update(key, msgspec.msgpack.encode(claim), revision)
        except RevisionConflict:
            there = await self._bucket.get(key)
            if there is None:  # somebody has emptied the bucket
                await self._bucket.create(key, msgspec.msgpack.encode(claim))
                return True
            return decode_or_none(there, JobClaim) == claim  # or the answer to the same was lost
        return True

    async def forget_output(self, key: str) -> None:
        """Drop the output of an attempt that has ended, for whoever keeps it elsewhere."""
        entry = await self._bucket.get(key)
        claim = decode_or_none(entry, JobClaim)
        if entry is None or claim is None or not claim.is_final or claim.output is None:
            return
        with contextlib.suppress(RevisionConflict):
            value = msgspec.msgpack.encode(msgspec.structs.replace(claim, output=None))
            await self._bucket.update(key, value, entry.revision)

    async def give_up(self, key: str, status: ClaimStatus, reason: str) -> JobClaim:
        """End an attempt that has not ended: it is begun no more, and whoever does it is cancelled and refused.

        Returns how it ended, which may be otherwise: by its own result.
        """
        for _ in range(_ATTEMPTS):
            entry = await self._bucket.get(key)
            there = decode_or_none(entry, JobClaim)
            if there is not None and there.is_final:
                return there
            now = self._clock_ns()
            known = there or JobClaim(status)
            ended = msgspec.structs.replace(known, status=status, ended_at=now, reason=reason)
            try:
                if entry is None:
                    await self._bucket.create(key, msgspec.msgpack.encode(ended))
                else:
                    await self._bucket.update(key, msgspec.msgpack.encode(ended), entry.revision)
            except (KeyExists, RevisionConflict):
                continue
            return ended
        raise RevisionConflict(f"run {key}: expected to give it up, others wrote first {_ATTEMPTS} times")

    async def watch(self, on_claim: Callable[[str, JobClaim], None], job: str = "") -> Stop:
        """(key, claim) as they change, of one job or of all; a hint, `get` is what counts."""

        def receive(entry: KvEntry) -> None:
            if (claim := decode_or_none(entry, JobClaim)) is not None:
                on_claim(entry.key, claim)

        return await self._bucket.watch(f"{job}." if job else "", receive)


__all__ = [
    "JOBS",
    "JOBS_S",
    "JOB_CLAIMS",
    "JOB_CLAIMS_S",
    "MOST_OUTPUT_BYTES",
    "ClaimStatus",
    "JobClaim",
    "JobClaims",
    "JobRun",
    "ensure_job_streams",
    "submit_run",
]
