"""Sets of parameters that are chosen by the results of those before: the tree-structured Parzen estimator of optuna."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

from marketprism_application.backtesting.errors import ParameterError
from marketprism_application.sweeps.space import Dimension, ParameterTexts, Space

_MOST_MISSES = 50  # sets in a row that were tried already, or that the constraint forbids
_WORST = float("-inf")


class _Asked(Protocol):
    """A trial of optuna."""

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """A number that the sampler chooses."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[str]) -> str:
        """A word that the sampler chooses."""
        ...


class _Study(Protocol):
    """A study of optuna."""

    def ask(self) -> _Asked:
        """Another trial, which is to be told its value."""
        ...

    def tell(self, trial: _Asked, values: float | None = None, *, state: object = None) -> object:
        """What a trial has come to."""
        ...


class TpeSearch:
    """Asks for sets and is told their values: equal seeds and values give equal sets, however many work at once."""

    def __init__(self, space: Space, budget: int, seed: int = 0) -> None:
        """Raises ParameterError: optuna is not installed, or the budget is none."""
        if budget < 1:
            raise ParameterError(f"budget: expected how many sets tpe tries, was {budget}")
        try:
            optuna = importlib.import_module("optuna")
        except ImportError as error:
            raise ParameterError(
                "method: expected optuna for tpe, it is not installed: pip install 'marketprism[tpe]'"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = cast("_Study", optuna.create_study(direction="maximize", sampler=sampler))
        self._worthless = optuna.trial.TrialState.PRUNED  # the sampler keeps away from these
        self._space, self._left = space, min(budget, space.size)
        self._open: dict[tuple[int, ...], _Asked] = {}
        self._values: dict[tuple[int, ...], float | None] = {}

    def ask(self, count: int) -> list[ParameterTexts]:
        """At most so many sets that were not tried before; none when the budget or the space is used up."""
        found: list[ParameterTexts] = []
        misses = 0
        while len(found) < min(count, self._left) and misses < _MOST_MISSES:
            trial = self._study.ask()
            place = tuple(self._place(trial, each) for each in self._space.dimensions)
            values = self._space.at(place)
            if place in self._open or not self._space.constraint.holds(values):
                self._study.tell(trial, state=self._worthless)
                misses += 1
            elif place in self._values:
                self._say(trial, self._values[place])
                misses += 1
            else:
                self._open[place] = trial
                found.append(values)
                misses = 0
        self._left = self._left - len(found) if found else 0
        return found

    def tell(self, values: ParameterTexts, value: float | None) -> None:
        """What a set has come to, None where it has no value; in the order in which sets were asked for."""
        place = self._space.place(values)
        self._values[place] = value
        self._say(self._open.pop(place), value)

    def _say(self, trial: _Asked, value: float | None) -> None:
        if value is None or value == _WORST:
            self._study.tell(trial, state=self._worthless)
        else:
            self._study.tell(trial, value)

    @staticmethod
    def _place(trial: _Asked, dimension: Dimension) -> int:
        """Numbers have an order, words have none."""
        if all(each.lstrip("-").replace(".", "", 1).isdecimal() for each in dimension.values):
            return trial.suggest_int(dimension.name, 0, len(dimension.values) - 1)
        return dimension.values.index(trial.suggest_categorical(dimension.name, dimension.values))


__all__ = ["TpeSearch"]
