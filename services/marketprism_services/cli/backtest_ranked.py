"""`backtest sweep --kernel`: every set is ranked by the strategy's signals, and the best are run by events."""

from __future__ import annotations

from collections.abc import Sequence

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.options import settings_of
from marketprism_application.backtesting.signals import NotForKernel
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.sweeps.shortlist import KernelRanking, Ranked, checked, to_confirm
from marketprism_services.cli.backtest_options import BacktestOptions
from marketprism_services.cli.backtest_pool import Numbered, Pool, Result
from marketprism_services.cli.backtest_rows import Asked
from marketprism_services.cli.backtest_sweep_view import Counted


def by_kernel(
    strategy: type[Strategy], options: BacktestOptions, objective: str, asked: Asked, sets: Sequence[Numbered]
) -> list[Ranked]:
    """Every set with what the kernel says of it, the highest first. Raises BacktestError: it cannot rank them."""
    try:
        ranking = KernelRanking(strategy, asked.selection, asked.calendar, settings_of(options.plain()), objective)
    except NotForKernel as error:
        raise BacktestError(f"kernel: {error}; without --kernel every set is run by events") from error
    return ranking.ranked([params for _, params in sets])


def confirmed(ranking: Sequence[Ranked], sets: Sequence[Numbered], pool: Pool, counted: Counted) -> list[Result]:
    """The best and those that the kernel is not sure of as events have run them, the others as it says.

    A run by events says with `differs` whether its sums of money are others than those of the kernel.
    """
    ranked = {each.number: each for each in ranking}
    chosen = [sets[place] for place in to_confirm(ranking)]
    found = {int(str(each["number"])): each for each in counted.through(pool.runs(chosen))}
    return [
        checked(found[number], ranked[place].money())
        if number in found
        else {"number": number, **ranked[place].document(params)}
        for place, (number, params) in enumerate(sets)
    ]


__all__ = ["by_kernel", "confirmed"]
