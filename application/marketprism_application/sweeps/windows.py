"""Over which trading days parameters are chosen, and over which they are tried: walk-forward and purged k-fold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from marketprism_application.backtesting.errors import ParameterError


class Window(NamedTuple):
    """Trading days (in the order given) that parameters are chosen by, and those they are tried on."""

    train: tuple[str, ...]
    test: tuple[str, ...]


class Fold(NamedTuple):
    """Indices of samples: `train` is free of what overlaps `test`."""

    train: tuple[int, ...]
    test: tuple[int, ...]


def walk_forward_windows(
    days: Sequence[str], *, train: int, test: int, embargo: int = 0, anchored: bool = False
) -> list[Window]:
    """Windows over trading days in their order: `train` days, `embargo` days that neither sees, `test` days; the next
    one begins `test` days later, or, anchored, keeps its first day. A last window may be shorter.

    Raises:
        ParameterError: fewer than one day of either, or too few days for one window.
    """
    if train < 1 or test < 1 or embargo < 0:
        raise ParameterError(f"windows: expected a day or more each, was train {train}, test {test}, embargo {embargo}")
    if list(days) != sorted(set(days)):
        raise ParameterError("windows: expected trading days in their order, each once")
    if len(days) <= train + embargo:
        raise ParameterError(f"windows: expected more than {train + embargo} trading days, was {len(days)}")
    found = []
    for start in range(0, len(days) - train - embargo, test):
        first = 0 if anchored else start
        begun = start + train + embargo
        found.append(Window(tuple(days[first : start + train]), tuple(days[begun : begun + test])))
    return found


def purged_folds(count: int, folds: int, *, purge: int = 0, embargo: int = 0) -> list[Fold]:
    """k folds of `count` samples in order of time: from the train indices of each are taken those `purge` before and
    `purge + embargo` behind its test (labels and lookbacks reach so far).

    Raises:
        ParameterError: fewer than two folds, or more than there are samples.
    """
    if not 2 <= folds <= count or purge < 0 or embargo < 0:
        raise ParameterError(f"folds: expected 2 to {count}, was {folds} with purge {purge}, embargo {embargo}")
    edges = [round(number * count / folds) for number in range(folds + 1)]
    found = []
    for start, end in itertools.pairwise(edges):
        behind = end + purge + embargo
        train = tuple(each for each in range(count) if each < start - purge or each >= behind)
        found.append(Fold(train, tuple(range(start, end))))
    return found


__all__ = ["Fold", "Window", "purged_folds", "walk_forward_windows"]
