"""By what a recording of Deribit is recognised: every frame is a JSON-RPC message."""

from __future__ import annotations

from marketprism_adapters.venues.deribit.parse import VENUE
from marketprism_adapters.venues.kit.signs import VenueSigns

_HEAD, _TAIL = 400, 60  # bytes of a frame in which its envelope is looked for: its keys may stand in any order


def _of_frame(payload: bytes) -> str:
    return VENUE if b'"jsonrpc"' in payload[:_HEAD] or b'"jsonrpc"' in payload[-_TAIL:] else ""


SIGNS = VenueSigns(
    hosts={VENUE: ("www.deribit.com", "deribit.com", "streams.deribit.com", "history.deribit.com")},
    of_frame=_of_frame,
    paths={"/api/v2/public/": VENUE},
    labels=frozenset({"DERIBIT"}),
)
