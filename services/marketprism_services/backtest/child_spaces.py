"""The sets of parameters of a sweep, each checked against the strategy's own bounds."""

from __future__ import annotations

from collections.abc import Mapping

from marketprism_application.backtesting.errors import ParameterError
from marketprism_application.backtesting.loading import parameters_of
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.sweeps.space import Dimension, Space, dimension_of
from marketprism_services.backtest.child_messages import Check

MOST_SETS = 20_000


def sets_of(work: Check, strategy: type[Strategy]) -> list[dict[str, object]]:
    """Every set that is tried, complete and as the strategy takes it.

    Raises:
        ParameterError: a space, a method or a constraint that cannot be, too many sets, or a value out of bounds.
    """
    space = space_of(work.space, work.constraint)
    known = tuple(strategy.Params.model_fields)
    if unknown := [each.name for each in space.dimensions if each.name not in known]:
        raise ParameterError(f"space.{unknown[0]}: expected one of {', '.join(known) or 'none'}, was {unknown[0]!r}")
    budget = None if work.method == "grid" else work.samples
    found: list[dict[str, object]] = []
    for values in space.sets(work.method, budget, work.seed):
        if len(found) >= MOST_SETS:
            raise ParameterError(f"space: expected at most {MOST_SETS} sets, was more")
        found.append(parameters_of(strategy, {**work.params, **values}).model_dump(mode="json"))
    if not found:
        raise ParameterError(f"constraint: expected one that a set fulfils, was {work.constraint!r}")
    return found


def space_of(values: Mapping[str, object], constraint: str) -> Space:
    """The space that is asked for. Raises ParameterError: it cannot be."""
    return Space([_dimension(name, each) for name, each in values.items()], constraint)


def _dimension(name: str, values: object) -> Dimension:
    if isinstance(values, list | tuple) and values:
        return Dimension(name, tuple(dict.fromkeys(str(each) for each in values)))
    if isinstance(values, Mapping) and {"from", "to"} <= set(values) <= {"from", "to", "step"}:
        parts = [str(values[part]) for part in ("from", "to", "step") if part in values]
        return dimension_of(f"{name}={':'.join(parts)}")
    if isinstance(values, str | int | float):
        return dimension_of(f"{name}={values}")
    raise ParameterError(f"space.{name}: expected a list of values or from, to and step, was {values!r}")


__all__ = ["MOST_SETS", "sets_of", "space_of"]
