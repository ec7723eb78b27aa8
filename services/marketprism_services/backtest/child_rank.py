"""All sets of a sweep ranked by the strategy's signals: what the kernel alone runs, and what is left for events."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.options import settings_of
from marketprism_application.backtesting.signals import NotForKernel, prepared
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.sweeps.shortlist import Foreign, KernelRanking, check_rankable, to_confirm
from marketprism_services.backtest.child_given import Given
from marketprism_services.backtest.child_messages import Found, Frame, Rank
from marketprism_services.backtest.row_files import read_rows


def check(strategy: type[Strategy], objective: str) -> None:
    """Raises BacktestError: a kernel cannot rank sets of this strategy by this objective, whatever the rows."""
    try:
        check_rankable(strategy, objective)
    except NotForKernel as error:
        raise _refusal(error) from error


def check_rows(rows: Path, calendar: bytes, options: Mapping[str, object]) -> None:
    """Raises BacktestError: a kernel cannot run over these rows with these options."""
    try:
        prepared(read_rows(rows), pickle.loads(calendar), settings_of(options))  # noqa: S301 (the service's own)
    except NotForKernel as error:
        raise _refusal(error) from error


def _refusal(error: NotForKernel) -> BacktestError:
    """Why a kernel cannot rank, as it is answered."""
    return BacktestError(f"kernel: {error}; without kernel every set is run by events")


def rank(work: Rank, given: Given, send: Callable[[Frame], None], foreign: Foreign) -> None:
    """Say what the kernel makes of the sets, and which are to be run by events. Raises BacktestError: it cannot."""
    settings, rows = settings_of(work.options), read_rows(Path(work.rows))
    try:
        kernel = KernelRanking(given.strategy, rows, given.calendar, settings, work.objective, foreign)
    except NotForKernel as error:
        raise _refusal(error) from error
    ranking = kernel.ranked(work.sets)
    chosen = to_confirm(ranking)
    by_place = {each.number: each for each in ranking}
    for place, params in enumerate(work.sets):
        if place not in chosen:
            send(Found(place, by_place[place].document(params)))
    send(Found(-1, {"confirm": [[place, by_place[place].money()] for place in chosen]}))


__all__ = ["check", "check_rows", "rank"]
