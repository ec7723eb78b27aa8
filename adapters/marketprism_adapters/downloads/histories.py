"""Where the past of a market is had: by its market's row of the registry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from marketprism_adapters.downloads.archive import ArchiveHistory
from marketprism_adapters.downloads.archive_files import ArchiveFiles
from marketprism_adapters.venues.live.history import RestHistory
from marketprism_adapters.venues.live.rest import RestClient
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.errors import QueryError
from marketprism_application.ports.history import History
from marketprism_application.ports.request_budget import RequestBudget
from marketprism_sdk.resilience import Backoff


def venue_of_market(market: str) -> str:
    """The venue of a market as rows name it. Raises QueryError: there is no such market; names the nearest."""
    _check(market)
    return MARKETS[market].make("", "").name


def budgets_of_market(market: str) -> Mapping[str, tuple[float, float]]:
    """The budgets of a market's requests by name: weights a second, and how much at once.

    Raises:
        QueryError: there is no such market.
    """
    _check(market)
    return MARKETS[market].make("", "").limits.budgets


@asynccontextmanager
async def rest_history(
    market: str,
    rest_url: str = "",
    *,
    raw: bool = False,
    backoff: Backoff | None = None,
    shared: RequestBudget | None = None,
) -> AsyncIterator[History]:
    """The venue's own answers, `rest_url` in the place of its host; `shared` with others behind the same address.

    Raises:
        QueryError: there is no such market.
    """
    _check(market)
    history = MARKETS[market].history(rest_url)
    async with RestClient(history.venue.rest_url, history.venue.limits, shared) as rest:
        yield RestHistory(history, rest, raw=raw, backoff=backoff)


@asynccontextmanager
async def archive_history(
    market: str, base: str, work: Path, *, raw: bool = False, backoff: Backoff | None = None
) -> AsyncIterator[History]:
    """The files of its public archive below `base`, a URL or a folder.

    Raises:
        QueryError: there is no such market, or it has no archive. SourceError: `base` is neither.
    """
    _check(market)
    layout = MARKETS[market].archive
    if layout is None:
        known = ", ".join(name for name, row in MARKETS.items() if row.archive is not None)
        raise QueryError(f"archive: expected a market that has one ({known}), was {market}")
    async with ArchiveFiles(base, work, backoff=backoff) as files:
        yield ArchiveHistory(market, layout(), files, raw=raw)


def _check(market: str) -> None:
    if market not in MARKETS:
        raise QueryError(f"venue: expected one of {', '.join(MARKETS)}, was {market!r}{did_you_mean(market, MARKETS)}")


__all__ = ["archive_history", "budgets_of_market", "rest_history", "venue_of_market"]
