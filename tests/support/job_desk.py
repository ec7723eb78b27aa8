"""Whoever gives runs of jobs to a service, without a scheduler."""

from __future__ import annotations

import asyncio

from marketprism_sdk.messaging import JobClaim, JobClaims, JobRun, submit_run
from marketprism_sdk.nats.connection import NatsConnection


class Desk:
    """Whoever gives runs to a service."""

    def __init__(self, connection: NatsConnection, service: str, claims: JobClaims) -> None:
        self.connection, self.service, self.claims = connection, service, claims

    async def give(self, key: str, handler: str, body: object = None, timeout_s: float = 30.0) -> str:
        key = f"{self.service}.{key}"
        await submit_run(self.connection, self.service, JobRun(key, self.service, handler, 7, 1, body, timeout_s))
        return key

    async def end(self, key: str) -> JobClaim:
        async with asyncio.timeout(20):
            while (found := await self.claims.get(key)) is None or not found.is_final:
                await asyncio.sleep(0.02)
        return found


__all__ = ["Desk"]
