"""Which of many sets are worth a run by events: those that a kernel ranks highest, and those that it is not sure of.

The kernel and the event engine give the same money for the same targets, so that the best of a shortlist is the best of
all sets; its runs by events are what proves it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from marketprism_application.backtesting.columns import Selection
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.kernel import KernelRun, equity_by_day, is_there, run_kernel
from marketprism_application.backtesting.loading import parameters_of
from marketprism_application.backtesting.settings import RunSettings
from marketprism_application.backtesting.signals import (
    NotForKernel,
    Prepared,
    has_signals,
    prepared,
    reach_of,
    targets_of,
)
from marketprism_application.backtesting.statistics import days_a_year, statistics_of
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.sweeps.run_returns import RANKED
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.trading.arithmetic import exact_arithmetic

CONFIRMED: Final = 5  # sets that are run by events behind a ranking


Foreign = Callable[[int], AbstractContextManager[object]]


def _unlimited(_: int) -> AbstractContextManager[object]:
    return contextlib.nullcontext()


class Outcome(NamedTuple):
    """What the kernel says that a set comes to, to the last digit; `equity` is that of each trading day's end."""

    net: Decimal
    gross: Decimal
    fees: Decimal
    orders: int
    lots: Decimal
    equity: tuple[tuple[str, Decimal], ...]


class Ranked(NamedTuple):
    """A set (its place among those given) and its value; None where it has none, or `unsure` where the kernel cannot
    tell. `outcome` is there where it is sure, with the `statistics` of its daily equity."""

    number: int
    value: float | None
    unsure: bool = False
    outcome: Outcome | None = None
    statistics: Mapping[str, float | None] = MappingProxyType({})

    def document(self, params: Mapping[str, object]) -> dict[str, object]:
        """What a sweep keeps of a set that only the kernel has run, as `brief_document` of one that events have."""
        assert self.outcome is not None  # noqa: S101 (the others are run by events)
        sums = {name: getattr(self.outcome, name) for name in ("net", "gross", "fees", "orders", "lots")}
        days = [list(each) for each in self.outcome.equity]
        return {"params": dict(params), "state": RANKED, **sums, "days": days, "statistics": dict(self.statistics)}

    def money(self) -> dict[str, str]:
        """What a run by events is compared with; empty where the kernel cannot tell."""
        return {} if self.outcome is None else {name: str(getattr(self.outcome, name)) for name in _COMPARED}


class KernelRanking:
    """Values of parameter sets of one strategy over the same rows."""

    def __init__(
        self,
        strategy: type[Strategy],
        selection: Selection,
        calendar: MarketCalendar,
        settings: RunSettings,
        objective: str,
        foreign: Foreign = _unlimited,
    ) -> None:
        """`foreign(number)` is entered while code of the strategy runs, for the set at that place: its limits.

        Raises NotForKernel: the strategy offers no signals, the rows or settings need more than a kernel does, the
        objective is not one of daily equity or of sums, or numba is not installed."""
        check_rankable(strategy, objective)
        self._strategy, self._settings, self._objective, self._foreign = strategy, settings, objective, foreign
        self._rows: Prepared = prepared(selection, calendar, settings)
        self._year = days_a_year(self._rows.market.venue)

    def ranked(self, sets: Sequence[Mapping[str, object]]) -> list[Ranked]:
        """Every set with its value, the highest first, of equal ones the first."""
        with exact_arithmetic():
            found = list(self._values(sets))
        return sorted(found, key=lambda each: (each.value is None, -(each.value or 0.0), each.number))

    def _values(self, sets: Sequence[Mapping[str, object]]) -> Iterator[Ranked]:
        strategy, rows, settings = self._strategy, self._rows, self._settings
        for number, values in enumerate(sets):
            try:
                with self._foreign(number):
                    params = parameters_of(strategy, values)
                    targets = targets_of(strategy, rows.table, params)
                    reach = reach_of(strategy, params, settings)
                run = run_kernel(rows, targets, reach, settings.capital)
            except BacktestError:  # the event engine says of what
                yield Ranked(number, None, unsure=True)
                continue
            if run.unsure:
                yield Ranked(number, None, unsure=True)
                continue
            outcome = self._outcome(run)
            statistics = self._statistics(outcome)
            yield Ranked(number, self._value(outcome, statistics), outcome=outcome, statistics=statistics)

    def _outcome(self, run: KernelRun) -> Outcome:
        equity = equity_by_day(self._rows, run, self._settings.capital)
        days = tuple(zip(self._rows.days, equity, strict=True))
        return Outcome(run.net, run.gross, run.fees, run.sent, run.lots, days)

    def _statistics(self, outcome: Outcome) -> dict[str, float | None]:
        equity = [float(each) for _, each in outcome.equity]
        found = statistics_of(equity, float(self._settings.capital), year=self._year)
        return {each.name: each.value for each in found}

    def _value(self, outcome: Outcome, statistics: Mapping[str, float | None]) -> float | None:
        if self._objective in _SUMS:
            return float(str(getattr(outcome, self._objective)))
        value = statistics.get(self._objective)
        return value if value is not None and math.isfinite(value) else None


def check_rankable(strategy: type[Strategy], objective: str) -> None:
    """Raises NotForKernel: there are no signals or no numba, or the objective is no sum and none of daily equity."""
    if not has_signals(strategy):
        raise NotForKernel(f"expected signals of {strategy.__qualname__}, there are none")
    if not is_there():
        raise NotForKernel("expected the extra fast (numba), it is not installed")
    if objective not in _SUMS and objective not in _of_days():
        raise NotForKernel(f"expected an objective of daily equity or a sum, was {objective}")


_COMPARED: Final = ("net", "fees", "orders")
_SUMS: Final = frozenset(("net", "gross", "fees", "orders", "lots"))


def _of_days() -> frozenset[str]:
    return frozenset(each.name for each in statistics_of([1.0, 1.1, 1.05], 1.0))


def checked(result: Mapping[str, object], money: Mapping[str, object]) -> dict[str, object]:
    """A run by events with `differs`, where the kernel was sure: whether its sums of money are others than the
    kernel's. Then `signals` does not say what the strategy's callbacks do."""
    if not money:
        return dict(result)
    ours = {name: Decimal(str(money[name])) for name in _COMPARED}
    theirs = {name: None if result.get(name) is None else Decimal(str(result[name])) for name in _COMPARED}
    return {**result, "differs": ours != theirs}


def shortlist(
    strategy: type[Strategy],
    sets: Sequence[Mapping[str, object]],
    selection: Selection,
    calendar: MarketCalendar,
    settings: RunSettings,
    objective: str,
) -> list[int]:
    """Places of the sets to run by events, in their order: the best few and the unsure ones; all of them where the
    kernel cannot rank, or would save nothing."""
    everyone = list(range(len(sets)))
    if len(sets) <= CONFIRMED:
        return everyone
    try:
        found = KernelRanking(strategy, selection, calendar, settings, objective).ranked(sets)
    except NotForKernel:
        return everyone
    return to_confirm(found)


def to_confirm(ranking: Sequence[Ranked]) -> list[int]:
    """Of a ranking the sets to run by events, in their order: the best few and the unsure ones."""
    best = [each.number for each in ranking if not each.unsure][:CONFIRMED]
    return sorted({*best, *(each.number for each in ranking if each.unsure)})


__all__ = [
    "CONFIRMED",
    "Foreign",
    "KernelRanking",
    "Outcome",
    "Ranked",
    "check_rankable",
    "checked",
    "shortlist",
    "to_confirm",
]
