"""`backtest sweep --kernel`: every set is ranked by the strategy's signals, and the best are run by events."""

from __future__ import annotations

from collections.abc import Sequence

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.options import settings_of
from marketprism_application.backtesting.signals import NotForKernel
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.sweeps.shortlist import KernelRanking, Outcome, Ranked, to_confirm
from marketprism_services.cli.backtest_options import BacktestOptions
from marketprism_services.cli.backtest_pool import Numbered, Pool, Result
from marketprism_services.cli.backtest_rows import Asked
from marketprism_services.cli.backtest_sweep_view import Counted

RANKED = "ranked"  # the state of a set that only the kernel has run


def by_kernel(
    strategy: type[Strategy], options: BacktestOptions, objective: str, asked: Asked, sets: Sequence[Numbered]
) -> list[Ranked]:
    """Every set with what the kernel says of it, the highest first. Raises BacktestError: it cannot rank them."""
    try:
        ranking = KernelRanking(strategy, asked.selection, asked.calendar, settings_of(options.plain()), objective)
    except NotForKernel as error:
        raise BacktestError(f"kernel: {error}; without --kernel every set is run by events") from error
    return ranking.ranked([params for _, params in sets])


def confirmed(
    ranking: Sequence[Ranked], sets: Sequence[Numbered], objective: str, pool: Pool, counted: Counted
) -> list[Result]:
    """The best and those that the kernel is not sure of as events have run them, the others as it says.

    A run by events says with `differs` whether its sums of money are others than those of the kernel: then `signals`
    does not say what the strategy's callbacks do.
    """
    outcomes = {each.number: each for each in ranking}
    chosen = [sets[place] for place in to_confirm(ranking)]
    found = {int(str(each["number"])): each for each in counted.through(pool.runs(chosen))}
    for place, (number, params) in enumerate(sets):
        ranked = outcomes[place]
        if number not in found:
            assert ranked.outcome is not None  # noqa: S101 (the others are run by events)
            found[number] = _result(number, params, ranked.outcome, objective, ranked.value)
        elif ranked.outcome is not None:
            found[number] = {**found[number], "differs": _differs(found[number], ranked.outcome)}
    return list(found.values())


def _result(number: int, params: dict[str, object], outcome: Outcome, objective: str, value: float | None) -> Result:
    sums = {name: getattr(outcome, name) for name in ("net", "gross", "fees", "orders", "lots")}
    days = [list(each) for each in outcome.equity]
    statistics = {objective: value}
    return {"number": number, "params": params, "state": RANKED, **sums, "days": days, "statistics": statistics}


def _differs(result: Result, outcome: Outcome) -> bool:
    return any(result.get(name) != getattr(outcome, name) for name in ("net", "fees", "orders"))


__all__ = ["RANKED", "by_kernel", "confirmed"]
