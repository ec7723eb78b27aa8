"""What the best of many trials is worth: probability of overfitting, deflated Sharpe, length of record, plateau.

Sources: Bailey, Borwein, López de Prado and Zhu, "The Probability of Backtest Overfitting" (2015), by combinatorially
symmetric cross-validation; Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier" (2012) and "The Deflated
Sharpe Ratio" (2014). Sharpe ratios here are of one period (a trading day), not of a year.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketprism_application.backtesting.errors import ParameterError
from marketprism_application.trading.selection_bias import deflated_sharpe

Floats = NDArray[np.float64]
_FEWEST_TRIALS, _FEWEST_PERIODS = 2, 3
_ENOUGH = 0.7  # of the best: a neighbour that is on the same plateau


class Moments(NamedTuple):
    """Of returns of one trial: periods, Sharpe ratio of one period, skewness, and kurtosis (3 of a normal one)."""

    periods: int
    sharpe: float
    skewness: float
    kurtosis: float


class OverfittingProbability(NamedTuple):
    """`pbo`: share of splits in which the best of one half is below the median of the other; `logits` of its ranks."""

    pbo: float
    splits: int
    logits: Floats


class Verdict(NamedTuple):
    """What is shown before a winner; None where there are too few trials or days to say it."""

    trials: int
    expected_maximum: float | None
    deflated: float | None
    probabilistic: float | None
    minimum_periods: float | None
    pbo: float | None


def moments_of(returns: Sequence[float] | Floats) -> Moments:
    """Moments of a trial's returns, of the population; a constant one has a Sharpe ratio of 0."""
    values = np.asarray(returns, dtype=np.float64)
    count = len(values)
    deviation = float(values.std(ddof=1)) if count > 1 else 0.0
    if deviation <= 0:
        return Moments(count, 0.0, 0.0, 3.0)
    apart = values - values.mean()
    spread = float(np.sqrt((apart**2).mean()))
    return Moments(
        count,
        float(values.mean()) / deviation,
        float((apart**3).mean()) / spread**3,
        float((apart**4).mean()) / spread**4,
    )


def probabilistic_sharpe(moments: Moments, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above a benchmark, of one period as it is."""
    return NormalDist().cdf((moments.sharpe - benchmark) * math.sqrt(moments.periods - 1) / _spread(moments))


def minimum_track_record(moments: Moments, benchmark: float = 0.0, confidence: float = 0.95) -> float | None:
    """Periods after which a Sharpe ratio like this one is above the benchmark with a confidence; None where never."""
    if moments.sharpe <= benchmark:
        return None
    quantile = NormalDist().inv_cdf(confidence)
    return 1 + (_spread(moments) * quantile / (moments.sharpe - benchmark)) ** 2


def _spread(moments: Moments) -> float:
    inside = 1 - moments.skewness * moments.sharpe + (moments.kurtosis - 1) / 4 * moments.sharpe**2
    return math.sqrt(max(inside, 1e-12))


def overfitting_probability(returns: Floats, blocks: int = 16) -> OverfittingProbability:
    """PBO of returns [periods x trials] by cross-validation over all halves of `blocks` blocks of time.

    Raises:
        ParameterError: fewer than two trials, an odd number of blocks, or fewer than two periods a block.
    """
    periods, trials = returns.shape
    if trials < _FEWEST_TRIALS:
        raise ParameterError(f"pbo: expected at least {_FEWEST_TRIALS} trials, was {trials}")
    if blocks % 2 or blocks < _FEWEST_TRIALS or periods < 2 * blocks:
        raise ParameterError(f"pbo: expected an even number of blocks of two days or more, was {blocks} of {periods}")
    edges = np.linspace(0, periods, blocks + 1).astype(np.int64)
    counts = np.diff(edges).astype(np.float64)
    sums = np.add.reduceat(returns, edges[:-1], axis=0)
    squares = np.add.reduceat(returns**2, edges[:-1], axis=0)
    halves = np.array(list(itertools.combinations(range(blocks), blocks // 2)), dtype=np.int64)
    chosen = np.zeros((len(halves), blocks))
    np.put_along_axis(chosen, halves, 1.0, axis=1)
    seen = _sharpes(chosen, counts, sums, squares)
    unseen = _sharpes(1 - chosen, counts, sums, squares)
    best = seen.argmax(axis=1)
    rows = np.arange(len(best))
    own = unseen[rows, best][:, None]
    # A tie counts half: trials that are equal must not look like a good or a bad choice.
    rank = (unseen < own).sum(axis=1) + ((unseen == own).sum(axis=1) + 1) / 2
    share = rank / (trials + 1)
    logits = np.log(share / (1 - share))
    below = float((logits < 0).mean() + (logits == 0).mean() / 2)
    return OverfittingProbability(below, len(halves), logits)


def _sharpes(chosen: Floats, counts: Floats, sums: Floats, squares: Floats) -> Floats:
    """Sharpe ratios [halves x trials] of the chosen blocks."""
    count = (chosen @ counts)[:, None]
    mean = chosen @ sums / count
    variance = np.maximum((chosen @ squares / count - mean**2) * count / (count - 1), 0.0)
    found: Floats = np.divide(mean, np.sqrt(variance), out=np.zeros_like(mean), where=variance > 1e-30)
    return found


def verdict_of(returns: Floats, best: int, trials_before: int = 0, blocks: int = 16) -> Verdict:
    """What the best column of returns [periods x trials] is worth. `trials_before` were made of the strategy earlier
    and count as trials too."""
    periods, count = returns.shape
    trials = count + trials_before
    if periods < _FEWEST_PERIODS:
        return Verdict(trials, None, None, None, None, None)
    all_moments = [moments_of(returns[:, number]) for number in range(count)]
    mine = all_moments[best]
    probable = probabilistic_sharpe(mine)
    if count < _FEWEST_TRIALS:
        return Verdict(trials, None, None, probable, minimum_track_record(mine), None)
    variance = float(np.var([each.sharpe for each in all_moments], ddof=1))
    bias = deflated_sharpe(mine.sharpe, mine.periods, trials, variance, mine.skewness, mine.kurtosis)
    while blocks > _FEWEST_TRIALS and periods < 2 * blocks:
        blocks -= 2
    pbo = overfitting_probability(returns, blocks).pbo if periods >= 2 * blocks else None
    return Verdict(
        trials,
        bias.expected_maximum,
        bias.probability,
        probable,
        minimum_track_record(mine, bias.expected_maximum),
        pbo,
    )


def plateau(best: float, neighbours: Sequence[float]) -> float | None:
    """Share of neighbours that reach 70 % of the best objective; None without neighbours, or a best that is no gain."""
    if not neighbours or best <= 0:
        return None
    return sum(each >= _ENOUGH * best for each in neighbours) / len(neighbours)


__all__ = [
    "Moments",
    "OverfittingProbability",
    "Verdict",
    "minimum_track_record",
    "moments_of",
    "overfitting_probability",
    "plateau",
    "probabilistic_sharpe",
    "verdict_of",
]
