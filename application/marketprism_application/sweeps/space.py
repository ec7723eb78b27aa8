"""What is tried: values of each parameter, and which of their combinations, in an order that a seed fixes."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple, TypeAlias

from marketprism_application.backtesting.errors import ParameterError
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.sweeps.constraints import Constraint
from marketprism_application.sweeps.sobol import MOST_DIMENSIONS, sobol_points
from marketprism_domain.values import fits

ParameterTexts: TypeAlias = "dict[str, str]"
METHODS: Final = ("grid", "random", "sobol", "tpe")
MOST_VALUES: Final = 100_000  # of one parameter
MOST_SETS: Final = 1_000_000
_PARTS_OF_A_RANGE = 1_000
_BOUNDS, _BOUNDS_AND_STEP = 2, 3


class Dimension(NamedTuple):
    """A parameter and its values in their order, as texts that a single run takes too."""

    name: str
    values: tuple[str, ...]


def dimension_of(text: str) -> Dimension:
    """The dimension that `fast=5:50:5` (both ends included), `fast=5,10,20`, `fast=5:50` or `fast=7` names.

    A range without a step has one of 1 where both ends are whole, else of a thousandth.

    Raises:
        ParameterError: no name, an end that is no number, a step that does not lead from one end to the other.
    """
    name, sign, values = (part.strip() for part in text.partition("="))
    if not sign or not name.isidentifier() or not values:
        raise ParameterError(f"param: expected name=from:to:step or name=a,b,c, was {text!r}")
    parts = values.split(":")
    if len(parts) == 1:
        found = tuple(dict.fromkeys(each.strip() for each in values.split(",")))
        if "" in found:
            raise ParameterError(f"param {name}: expected values between commas, was {values!r}")
        return Dimension(name, found)
    try:
        numbers = [Decimal(part.strip()) for part in parts]
    except InvalidOperation as error:
        raise ParameterError(f"param {name}: expected numbers as 5:50:5, was {values!r}") from error
    if len(numbers) not in (_BOUNDS, _BOUNDS_AND_STEP) or not all(fits(each) for each in numbers):
        raise ParameterError(f"param {name}: expected from:to or from:to:step, was {values!r}")
    first, last = numbers[:2]
    step = numbers[2] if len(numbers) == _BOUNDS_AND_STEP else _step(first, last)
    if step <= 0 or last < first:
        raise ParameterError(f"param {name}: expected a range that rises by a step above 0, was {values!r}")
    count = int((last - first) / step) + 1
    if count > MOST_VALUES:
        raise ParameterError(f"param {name}: expected at most {MOST_VALUES} values, was {count}")
    return Dimension(name, tuple(_plain(first + number * step) for number in range(count)))


def _step(first: Decimal, last: Decimal) -> Decimal:
    whole = first == first.to_integral_value() and last == last.to_integral_value()
    return Decimal(1) if whole or first == last else (last - first) / _PARTS_OF_A_RANGE


def _plain(number: Decimal) -> str:
    return format(number.normalize() + 0, "f")


class Space:
    """Every combination of the dimensions that a constraint allows."""

    def __init__(self, dimensions: Sequence[Dimension], constraint: str = "") -> None:
        """Raises ParameterError: no dimension, one twice, or a constraint that cannot be."""
        names = tuple(each.name for each in dimensions)
        if not names:
            raise ParameterError("param: expected a parameter with several values, was none")
        if len(set(names)) < len(names):
            raise ParameterError(f"param: expected each once, was {', '.join(names)}")
        self.dimensions, self.constraint = tuple(dimensions), Constraint(constraint, names)

    @classmethod
    def of_texts(cls, texts: Sequence[str], constraint: str = "") -> Space:
        """The space of `name=from:to:step` texts. Raises ParameterError: one of them cannot be read."""
        return cls([dimension_of(text) for text in texts], constraint)

    @property
    def size(self) -> int:
        """Combinations of all values, whether the constraint allows them or not."""
        return math.prod(len(each.values) for each in self.dimensions)

    def sets(self, method: str = "grid", budget: int | None = None, seed: int = 0) -> Iterator[ParameterTexts]:
        """Parameter sets, each once: all of the grid in its order, or `budget` of them by chance or by Sobol.

        Raises:
            ParameterError: an unknown method, more than a million combinations of a grid, no budget where one is
            needed, or a constraint that nothing fulfils.
        """
        if method not in METHODS:
            near = did_you_mean(method, METHODS)
            raise ParameterError(f"method: expected one of {', '.join(METHODS)}, was {method!r}{near}")
        if method == "tpe":
            raise ParameterError("method: expected sets that are known before the first run, tpe chooses by results")
        if method == "grid":
            if self.size > MOST_SETS:
                raise ParameterError(f"param: expected at most {MOST_SETS} combinations, was {self.size}")
            places = itertools.product(*(range(len(each.values)) for each in self.dimensions))
            return self._allowed(places, budget)
        if budget is None or budget < 1:
            raise ParameterError(f"budget: expected how many sets {method} tries, was {budget}")
        chosen = self._by_chance(seed) if method == "random" else self._by_sobol(budget)
        return self._allowed(chosen, budget)

    def _allowed(self, places: Iterator[tuple[int, ...]], budget: int | None) -> Iterator[ParameterTexts]:
        seen: set[tuple[int, ...]] = set()
        for place in places:
            if place in seen:
                continue
            seen.add(place)
            values = self.at(place)
            if self.constraint.holds(values):
                yield values
                budget = None if budget is None else budget - 1
                if budget == 0:
                    return

    def at(self, place: Sequence[int]) -> ParameterTexts:
        """The set of a place: the index of each dimension's value."""
        return {each.name: each.values[index] for each, index in zip(self.dimensions, place, strict=True)}

    def place(self, values: ParameterTexts) -> tuple[int, ...]:
        """The index of each dimension's value, of a set of this space."""
        return tuple(each.values.index(values[each.name]) for each in self.dimensions)

    def neighbours(self, values: ParameterTexts) -> list[ParameterTexts]:
        """Sets one step away along one dimension, that the constraint allows."""
        here = self.place(values)
        found = []
        for number, each in enumerate(self.dimensions):
            for step in (-1, 1):
                place = list(here)
                place[number] += step
                if 0 <= place[number] < len(each.values) and self.constraint.holds(self.at(place)):
                    found.append(self.at(place))
        return found

    def _by_chance(self, seed: int) -> Iterator[tuple[int, ...]]:
        """Without end where the space is large; where it is small, each combination once, shuffled."""
        chance = random.Random(seed)
        sizes = [len(each.values) for each in self.dimensions]
        if self.size <= MOST_VALUES:
            whole = list(itertools.product(*(range(size) for size in sizes)))
            chance.shuffle(whole)
            yield from whole
            return
        for _ in range(MOST_SETS):
            yield tuple(chance.randrange(size) for size in sizes)

    def _by_sobol(self, budget: int) -> Iterator[tuple[int, ...]]:
        """The points of the sequence on the grid of values; many more than asked for, as some fall together."""
        if len(self.dimensions) > MOST_DIMENSIONS:
            raise ParameterError(f"method: expected at most {MOST_DIMENSIONS} parameters for sobol")
        sizes = [len(each.values) for each in self.dimensions]
        for point in sobol_points(len(sizes), min(MOST_SETS, budget * 64)):
            yield tuple(min(int(part * size), size - 1) for part, size in zip(point, sizes, strict=True))


__all__ = ["METHODS", "Dimension", "ParameterTexts", "Space", "dimension_of"]
