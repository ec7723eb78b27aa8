"""The signing key of this instance: made when the first token is signed, and again each day."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from marketprism_adapters.identity.tokens import TokenSigner
from marketprism_application.contracts.access_records import Signer
from marketprism_application.ports.access_store import AccessStore


class Signing:
    """Signs with a key whose public half is in the store before anything that it signed is seen."""

    def __init__(self, store: AccessStore, instance: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._instance = instance
        self._clock = clock
        self._signer: TokenSigner | None = None
        self._lock = asyncio.Lock()

    async def sign(self, subject: str, family: str, version: int, token_id: str) -> str:
        """A token. Raises what the store raises."""
        async with self._lock:
            signer = await self._current()
        return signer.sign(subject, family, version, token_id, self._clock())

    async def _current(self) -> TokenSigner:
        now = self._clock()
        signer = self._signer
        if signer is not None and not signer.is_over(now) and self._store.get(Signer, signer.record.id) is not None:
            return signer
        signer = TokenSigner(self._instance, now)
        await self._store.write(signer.record, 0)
        for old in self._store.all(Signer):
            if old.ts_expires <= now:
                await self._store.remove(Signer, old.id)
        self._signer = signer
        return signer
