"""By what a recording of OKX is recognised: every push says its channel in `arg`."""

from __future__ import annotations

from marketprism_adapters.venues.kit.signs import VenueSigns
from marketprism_adapters.venues.okx.parse import VENUE

_HEAD = 400  # bytes of a frame in which its envelope is looked for
_HOSTS = ("ws.okx.com", "wsaws.okx.com", "www.okx.com", "okx.com", "aws.okx.com", "ws.okex.com", "www.okex.com")


def _of_frame(payload: bytes) -> str:
    head = payload[:_HEAD]
    return VENUE if b'"arg"' in head and b'"channel"' in head else ""


SIGNS = VenueSigns(
    hosts={VENUE: _HOSTS},
    of_frame=_of_frame,
    paths={"/api/v5/": VENUE},
    labels=frozenset({"OKX", "OKEX"}),
    elsewhere=frozenset({"brokerid"}),
    relatives=frozenset({"okcoin", "wspap", "wsuspap", "wseeapap", "wseea", "wsus"}),
)
