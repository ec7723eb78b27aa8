"""What is left of a winner with its neighbours beside it, and with costs that are higher than expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from marketprism_application.backtesting.columns import Selection
from marketprism_application.sweeps.overfitting import plateau
from marketprism_application.sweeps.run_returns import Result
from marketprism_application.sweeps.space import Space
from marketprism_domain.trading.fees import FeeRate, FeeRule


def plateau_of(space: Space, done: Sequence[Result], values: Sequence[float | None], best: int) -> float | None:
    """Share of the sets next to the best that reach 70 % of it; None where none was tried, or the best is no gain."""
    by_params = {_texts(space, each): value for each, value in zip(done, values, strict=True)}
    mine = values[best]
    if mine is None:
        return None
    near = [by_params.get(tuple(each.items())) for each in space.neighbours(dict(_texts(space, done[best])))]
    return plateau(mine, [each for each in near if each is not None])


def _texts(space: Space, result: Result) -> tuple[tuple[str, str], ...]:
    """Parameters of a run as the texts of the space."""
    params = result["params"]
    assert isinstance(params, dict)  # noqa: S101 (a summary has them)
    found = []
    for each in space.dimensions:
        value = params[each.name]
        text = next((text for text in each.values if text == str(value) or _equal(text, value)), each.values[0])
        found.append((each.name, text))
    return tuple(found)


def _equal(text: str, value: object) -> bool:
    try:
        return Decimal(text) == Decimal(str(value))
    except ArithmeticError:
        return False


def dearer_rows(selection: Selection) -> Selection:
    """The same rows with fees twice as high."""
    instruments = tuple(
        replace(
            data,
            instrument=replace(
                data.instrument, taker=_twice(data.instrument.taker), maker=_twice(data.instrument.maker)
            ),
        )
        for data in selection.instruments
    )
    return replace(selection, instruments=instruments)


def dearer_options(options: Mapping[str, object]) -> dict[str, object]:
    """The same options of a run with fills a tick worse, where they had no slippage."""
    return {**options, "slippage": "ticks:1"} if options.get("slippage", "none") in ("none", "") else dict(options)


def _twice(rule: FeeRule) -> FeeRule:
    return FeeRule(*(FeeRate(2 * each.by_money, 2 * each.by_volume) for each in rule))


__all__ = ["dearer_options", "dearer_rows", "plateau_of"]
