"""Histories of venues, opened once for each market and source, with budgets that all behind one address share."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from marketprism_adapters.downloads.histories import archive_history, rest_history
from marketprism_adapters.venues.live.history import RestHistory
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.errors import QueryError
from marketprism_application.ports.history import History
from marketprism_application.ports.request_budget import RequestBudget
from marketprism_services.wiring.addresses import is_loopback
from marketprism_services.wiring.pipeline_contents import REAL, SIMULATED

_LISTED_S = 600.0


class VenueHistories:
    """The pasts that tasks ask for. `rest_urls` has another host for a market, `archive` a URL or a folder, empty for
    none; `budget` makes the shared budget of a market. `simulated` decides what rows of such a host or archive are,
    which else are simulated where it is on this machine; those of a venue's own host are real."""

    def __init__(
        self,
        rest_urls: Mapping[str, str],
        archive: str,
        budget: Callable[[str], RequestBudget],
        *,
        simulated: bool | None = None,
    ) -> None:
        self._rest_urls, self._archive, self._budget = rest_urls, archive, budget
        self._simulated = simulated
        self._stack = AsyncExitStack()
        self._open: dict[tuple[str, str], History] = {}
        self._listed: dict[str, tuple[float, Sequence[str]]] = {}
        self._opening = asyncio.Lock()

    async def history(self, market: str, source: str = "rest") -> History:
        """The past of a market; `source` rest, archive, or auto: the archive where there is one.

        Raises:
            QueryError: no such market, or no archive is set up. SourceError: the archive is not there.
        """
        source = self._chosen(market, source)
        if source == "archive" and not self._archive:
            raise QueryError("source: expected rest, data.archive is empty, was 'archive'")
        async with self._opening:
            found = self._open.get((market, source))
            if found is None:
                if source == "archive":
                    folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="marketprism-archive-")
                    self._stack.push_async_callback(asyncio.to_thread, folder.cleanup)
                    context = archive_history(market, self._archive, Path(folder.name))
                else:
                    url = self._rest_urls.get(market, "")
                    context = rest_history(market, url, raw=True, shared=self._budget(market))
                found = self._open[market, source] = await self._stack.enter_async_context(context)
            return found

    def _chosen(self, market: str, source: str) -> str:
        if source == "auto":
            return "archive" if self.has_archive(market) else "rest"
        return source

    def data_of(self, market: str, source: str = "rest") -> str:
        """`real` or `simulated`, as the rows of a market from there are."""
        other = self._archive if self._chosen(market, source) == "archive" else self._rest_urls.get(market, "")
        if not other:
            return REAL
        simulated = self._simulated
        if simulated is None:
            simulated = "//" in other and is_loopback(other)  # a folder holds what somebody has put there
        return SIMULATED if simulated else REAL

    def has_archive(self, market: str) -> bool:
        """Whether archive files of a market can be asked for."""
        return bool(self._archive) and MARKETS[market].archive is not None

    async def listed(self, market: str) -> Sequence[str]:
        """Names of the instruments that a market lists now, of the last ten minutes. Raises SourceError."""
        at, names = self._listed.get(market, (0.0, ()))
        if names and time.monotonic() - at < _LISTED_S:
            return names
        history = await self.history(market)
        if not isinstance(history, RestHistory):
            return ()
        names = await history.symbols()
        self._listed[market] = time.monotonic(), names
        return names

    async def close(self) -> None:
        """Every connection to a venue is closed."""
        await self._stack.aclose()


__all__ = ["VenueHistories"]
