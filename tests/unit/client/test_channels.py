"""Channels of the live stream: which have messages in common, and which has a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism_client._web_stream import covers, overlap

tokens = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=4)
patterns = st.builds(lambda parts, rest: ".".join([*parts, ">"] if rest else parts), tokens, st.booleans())
subjects = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=5).map(".".join)


@given(patterns, patterns, subjects)
def test_channels_that_both_have_a_message_overlap(one: str, other: str, subject: str) -> None:
    if covers(one, subject) and covers(other, subject):
        assert overlap(one, other)
        assert overlap(other, one)


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ("market.tick.rb2505", "market.tick.*", True),
        ("market.tick.rb2505", "market.tick.rb2510", False),
        ("market.*.BTC-USDT.trade", "market.okx.*.trade", True),
        ("market.okx.*.trade", "market.okx.*.orderbook", False),
        ("market.gap.>", "market.gap.shfe.rb2505", True),
        ("market.gap.>", "market.gap", False),
        ("market.bar.1m.rb2505", "market.bar.1m", False),
    ],
)
def test_channels_overlap_where_some_subject_is_of_both(one: str, other: str, common: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is common
