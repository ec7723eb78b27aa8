"""Sides, offsets and modes of orders and positions."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """Which way an order goes; a position of bought ones is long."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """1 of a long, -1 of a short."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """`limit` may rest, `market` takes what there is, `post_only` is refused where it would take."""

    LIMIT = "limit"
    MARKET = "market"
    POST_ONLY = "post_only"


class Offset(StrEnum):
    """Whether an order opens or closes, and at exchanges that tell them apart, lots of which day it closes."""

    OPEN = "open"
    CLOSE = "close"
    CLOSE_TODAY = "close_today"
    CLOSE_YESTERDAY = "close_yesterday"
    AUTO = "auto"


class MarginMode(StrEnum):
    """Whether a position has margin of its own, or all of an account stand for one another."""

    ISOLATED = "isolated"
    CROSS = "cross"


class PositionMode(StrEnum):
    """Whether an account holds one position of an instrument, or a long and a short beside one another."""

    ONE_WAY = "one_way"
    HEDGE = "hedge"
