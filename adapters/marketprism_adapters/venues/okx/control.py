"""What OKX says that is no market data: answers to subscriptions, notices."""

from __future__ import annotations

import re

from marketprism_adapters.venues.okx import frames
from marketprism_application.venues.protocol import Control

# As in "Wrong URL or channel:books,instId:NOPE-USDT doesn't exist".
_NAMED = re.compile(r"channel\s*:\s*([\w-]+)[\s,]+\w+\s*:\s*([\w-]+)", re.IGNORECASE)
_WHAT = {"subscribe": "subscribed", "unsubscribe": "unsubscribed", "error": "refused", "notice": "closing"}


def control_of(head: frames.Head) -> Control:
    """A frame that says what has happened (`event`)."""
    what = _WHAT.get(head.event, "notice")
    text = f"{head.code} {head.msg}" if what in ("refused", "closing") else head.msg
    arg = head.arg
    if arg is not None:
        return Control(what, f"{arg.channel}:{arg.instId or arg.instType}", text)
    return Control(what, _refused(head) if what == "refused" else "", text)


def _refused(head: frames.Head) -> str:
    """The stream that does not exist is named in the text only; `id` is of the request, with all streams of it."""
    named = _NAMED.search(head.msg)
    return f"{named[1]}:{named[2]}" if named is not None else str(head.id)
