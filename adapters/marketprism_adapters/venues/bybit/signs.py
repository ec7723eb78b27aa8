"""By what a recording of Bybit is recognised: every push has a `topic` and a `ts`.

Spot and linear contracts have the same topics; only the trades of contracts say the direction of the tick (`L`), and
only their tickers have a mark price.
"""

from __future__ import annotations

from marketprism_adapters.venues.bybit.parse import VENUE
from marketprism_adapters.venues.kit.signs import VenueSigns

SPOT, LINEAR = VENUE, f"{VENUE}-linear"
_HEAD = 400  # bytes of a frame in which its envelope is looked for
_OF_LINEAR = ("usdm", "um", "futures", "perp", "perpetual", "swap", "linear", "usdtm")


def _of_frame(payload: bytes) -> str:
    head = payload[:_HEAD]
    if not (b'"topic"' in head and b'"ts"' in payload):
        return ""
    of_linear = b'"L":' if b'"publicTrade.' in head else b'"markPrice":' if b'"tickers.' in head else b""
    return LINEAR if of_linear and of_linear in payload.replace(b" ", b"") else SPOT


def _hosts(category: str) -> tuple[str, ...]:
    ends = "bybit.com", "bytick.com"  # the second is Bybit's own spare
    return tuple(
        address for end in ends for address in (f"stream.{end}/v5/public/{category}", f"api.{end}?category={category}")
    )


SIGNS = VenueSigns(
    hosts={SPOT: _hosts("spot"), LINEAR: _hosts("linear")},
    of_frame=_of_frame,
    alike=frozenset({SPOT}),
    words=dict.fromkeys(_OF_LINEAR, LINEAR),
    labels=frozenset({"BYBIT"}),
)
