"""What the runs of one question have in common, and one of them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

from marketprism_application.backtesting.columns import Selection
from marketprism_application.backtesting.strategy import Strategy
from marketprism_domain.sessions.calendar import MarketCalendar


class _Asked(Protocol):
    """Work of which runs are a part."""

    @property
    def calendar(self) -> bytes: ...

    @property
    def options(self) -> dict[str, object]: ...


class Given(NamedTuple):
    """The strategy, the options of its runs by their names, and the calendar."""

    strategy: type[Strategy]
    options: dict[str, object]
    calendar: MarketCalendar

    @classmethod
    def of(cls, strategy: type[Strategy], work: _Asked) -> Given:
        """What a piece of work gives to its runs."""
        return cls(strategy, work.options, pickle.loads(work.calendar))  # noqa: S301 (the parent's own)


class Trial(NamedTuple):
    """One run: its number, its set of parameters, and its rows."""

    number: int
    params: dict[str, object]
    rows: Selection


RunOne: TypeAlias = Callable[[Trial], dict[str, object]]  # what came of it; raises BacktestError: it cannot begin

__all__ = ["Given", "RunOne", "Trial"]
