"""Classes of limits: what a caller of each may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from marketprism_application.access.gcra import Rate


class LimitClass(NamedTuple):
    """Requests a second and at once, questions at a time; WebSockets, channels of each, messages in a second; rows of
    answers a day."""

    requests: Rate
    concurrent: int
    sockets: int
    channels: int
    messages_per_s: float
    rows_per_day: int


LIMITS: Mapping[str, LimitClass] = {
    "viewer": LimitClass(Rate(20, 60), 8, 4, 200, 5, 20_000_000),
    "quant": LimitClass(Rate(100, 300), 16, 16, 1_024, 10, 500_000_000),
    "operator": LimitClass(Rate(50, 150), 16, 8, 500, 10, 100_000_000),
    "bulk": LimitClass(Rate(200, 400), 8, 16, 4_096, 10, 5_000_000_000),
}
ANONYMOUS = LimitClass(Rate(50, 100), 16, 8, 500, 10, 20_000_000)

# Whoever has several roles has the class of the first of these.
_BY_ROLE = (("quant", "quant"), ("operator", "operator"), ("admin", "operator"))


def class_of(roles: tuple[str, ...]) -> str:
    """The class of somebody with these roles."""
    return next((name for role, name in _BY_ROLE if role in roles), "viewer")
