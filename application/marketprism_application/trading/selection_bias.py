"""What the best of many trials is worth: the Sharpe ratio deflated by the number of trials.

Source: Bailey and López de Prado, "The Deflated Sharpe Ratio" (2014). Ratios are of one period, not of a year.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

_EULER = 0.5772156649015329


class DeflatedSharpe(NamedTuple):
    """The ratio that the best of the trials has by chance, and the probability that the one seen is more."""

    expected_maximum: float
    probability: float


def deflated_sharpe(
    sharpe: float, periods: int, trials: int, variance: float, skewness: float, kurtosis: float
) -> DeflatedSharpe:
    """Of a Sharpe ratio per period over `periods` returns, the best of `trials` (2 or more) whose ratios have this
    variance; kurtosis of a normal distribution is 3."""
    normal = NormalDist()
    first, second = normal.inv_cdf(1 - 1 / trials), normal.inv_cdf(1 - 1 / (trials * math.e))
    expected = math.sqrt(variance) * ((1 - _EULER) * first + _EULER * second)
    spread = math.sqrt(1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe * sharpe)
    return DeflatedSharpe(expected, normal.cdf((sharpe - expected) * math.sqrt(periods - 1) / spread))
