"""The gap ledger, as one who has found a hole writes it."""

from __future__ import annotations

from typing import Protocol

from marketprism_domain.integrity.dataset import Dataset


class GapLedger(Protocol):
    """Entries of the gap ledger."""

    async def enter(self, dataset: Dataset, cause: str) -> None:
        """Write that rows of a dataset, in all of its range, are missing for a cause; durable when this returns, and
        doing it twice is doing it once.

        Raises:
            StoreError: the ledger is away.
        """
        ...


__all__ = ["GapLedger"]
