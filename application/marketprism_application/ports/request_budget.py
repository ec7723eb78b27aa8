"""The budgets that a venue gives to an address, as the programs behind that address share them."""

from __future__ import annotations

from typing import Protocol


class RequestBudget(Protocol):
    """The budgets of one market, by name. Bulk work asks for its share of them and waits; what is live only says what
    it used, and never waits for an answer."""

    async def acquire(self, budget: str, weight: float) -> None:
        """Wait until so much of a budget is this program's to use, within a second. A budget of no known size is free.

        Raises:
            SourceError: nobody says how much is left, for too long; retryable.
        """
        ...

    def used(self, budget: str, weight: float) -> None:
        """Live work has used so much, which is left to it from now on."""
        ...

    def refused(self, wait_s: float) -> None:
        """The venue said to wait: everybody's bulk work waits as long."""
        ...

    @property
    def waits_s(self) -> float:
        """How long bulk work has to wait, because the venue told some program so."""
        ...

    async def release(self) -> None:
        """Give back what was granted and is not used, in a short time or not at all. It can be used again."""
        ...


__all__ = ["RequestBudget"]
