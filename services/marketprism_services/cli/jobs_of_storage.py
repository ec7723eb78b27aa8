"""Runs that a command gives the storage that leads, and waits for."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import TYPE_CHECKING

from marketprism_sdk.errors import SdkError
from marketprism_services.cli.options import DataDir, NatsUrl, connected, nats_of
from marketprism_services.platform.exits import Exit, Stop

if TYPE_CHECKING:
    from marketprism_sdk.messaging import JobClaim
    from marketprism_sdk.nats.connection import NatsConnection

_LOOK_S = 0.2
_BEGUN_S = 20.0  # within which the storage leader begins a run
_RUN_S = 86_400.0


def done_by_storage(handler: str, body: dict[str, object], data_dir: DataDir, nats_url: NatsUrl, needs: str) -> None:
    """Give the storage leader a run, wait until it has ended, and print what came out; `needs` is what it has to have
    for that.

    Raises:
        Stop: it failed, or was refused.
    """
    from marketprism_sdk.messaging import ClaimStatus, JobClaims, JobRun, submit_run  # noqa: PLC0415 (as options)

    async def give(connection: NatsConnection) -> JobClaim:
        claims = await JobClaims.open(connection)
        key = f"cli-{handler}.{secrets.token_hex(8)}"
        run_of = JobRun(key, f"cli-{handler}", handler, time.time_ns(), 1, body, _RUN_S)
        await submit_run(connection, "storage", run_of)
        begun = time.monotonic()
        while (claim := await claims.get(key)) is None or not claim.is_final:
            if claim is None and time.monotonic() - begun > _BEGUN_S:
                await claims.give_up(key, ClaimStatus.TIMED_OUT, "nobody began it")
                raise SdkError(f"storage: expected a leader that has {needs}, none began the run")
            await asyncio.sleep(_LOOK_S)
        return claim

    claim = connected(nats_of(data_dir, nats_url), give)
    if claim.output is not None:
        print(json.dumps(claim.output, indent=1, ensure_ascii=False, default=str))
    if claim.status is not ClaimStatus.SUCCEEDED:
        raise Stop(Exit.USAGE if claim.status is ClaimStatus.REFUSED else Exit.FAILED, claim.reason)


__all__ = ["done_by_storage"]
