"""Who traded where in a slice, and how many sides its volume counts."""

from __future__ import annotations

import pytest

from marketprism_domain.trading.slices import Slice, split_slice
from marketprism_domain.trading.volume_sides import volume_sides


@pytest.mark.parametrize(
    ("quantity", "average", "expected"),
    [
        (75.0, 12_353.60, Slice(21.0, 54.0, through=False)),
        (10.0, 12_350.0, Slice(10.0, 0.0, through=False)),
        (10.0, 12_355.0, Slice(0.0, 10.0, through=False)),
        (92.0, 12_349.0, Slice(92.0, 0.0, through=True)),
        (92.0, 12_356.0, Slice(0.0, 92.0, through=True)),
    ],
)
def test_the_average_price_splits_a_slice_by_the_quote_before_it(
    quantity: float, average: float, expected: Slice
) -> None:
    found = split_slice(quantity, average, 12_350.0, 12_355.0)
    assert found.through is expected.through
    assert (found.at_bid, found.at_ask) == pytest.approx((expected.at_bid, expected.at_ask), abs=1e-6)


@pytest.mark.parametrize(
    ("venue", "day", "sides"),
    [
        ("shfe", "20181008", 2),
        ("czce", "20191231", 2),
        ("czce", "20200102", 1),
        ("cffex", "20181008", 1),
        ("binance", "20181008", 1),
    ],
)
def test_volumes_counted_both_sides_until_the_end_of_2019(venue: str, day: str, sides: int) -> None:
    assert volume_sides(venue, day) == sides
