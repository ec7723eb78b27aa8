"""What the query service says of the store that it answers from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_application.errors import ApplicationError
from marketprism_application.queries.symbol_names import StoredName
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.messaging import LeaderClient

_ASK_S = 1.5
_STATUS_S = 5.0
_PATIENCE_S = 10.0  # a new leader of storage opens its store within


class StoreKnown:
    """Asks the server where this service has one open, else the storage leader."""

    def __init__(
        self,
        storage: LeaderClient,
        engine: Callable[[], Engine | None],
        names: Callable[[], Awaitable[Sequence[StoredName]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._storage = storage
        self._engine = engine
        self._names = names
        self._clock = clock
        self._away_since: float | None = None

    async def health(self) -> str:
        """healthy; degraded, or unhealthy when it lasts, with the reason, when the store does not answer."""
        engine = self._engine()
        reason = await self._reason(self._look_into(engine) if engine is not None else self._leader())
        if reason is None:
            self._away_since = None
            return "healthy"
        now = self._clock()
        self._away_since = now if self._away_since is None else self._away_since
        return f"{'unhealthy' if now - self._away_since >= _PATIENCE_S else 'degraded'}: {reason}"

    async def status(self) -> dict[str, Any]:
        """`store`: its engine, identity, watermarks and health as its writer knows them, or why they are not known;
        `instruments`: how many it has, None where it does not answer."""
        engine = "by the storage leader" if self._engine() is None else "by itself"
        store: dict[str, Any] = {"asked": engine}
        instruments: int | None = None

        async def of_leader() -> None:
            found = await self._leader()
            store.update({"identity": found.pop("store", ""), **found})

        async def of_names() -> None:
            nonlocal instruments
            instruments = sum(name.stored for name in await self._names())

        reasons = await asyncio.gather(self._reason(of_leader(), _STATUS_S), self._reason(of_names(), _STATUS_S))
        store |= {
            name: reason for name, reason in zip(("writer", "answer"), reasons, strict=True) if reason is not None
        }
        return {"store": store, "instruments": instruments}

    async def _leader(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._storage.call("store_status", None, timeout_s=_STATUS_S, idempotent=True)
        return found

    @staticmethod
    async def _look_into(engine: Engine) -> None:
        await engine.fetch("SELECT 1 AS one")

    @staticmethod
    async def _reason(asking: Awaitable[object], within_s: float = _ASK_S) -> str | None:
        """Why there is no answer, None where there is one."""
        try:
            async with asyncio.timeout(within_s):
                await asking
        except TimeoutError:
            return f"no answer within {within_s:g} s"
        except (ApplicationError, SdkError) as error:
            return reason_of(error)
        return None
