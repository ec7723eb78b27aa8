"""Ticks that a cut has left out, out of the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from marketprism_domain.marketdata.tick import Tick
from vnpy_marketprism.sequence import Place

MOST = 20_000
# Between two questions: what is published is stored a moment later.
PAUSES_S = (0.0, 0.3, 0.7, 1.5)
Stored = Callable[[int, int], Awaitable[Iterable[Tick]]]  # ticks from one time to before another


async def between(stored: Stored, before: Place, tick: Tick, pauses_s: Sequence[float] = PAUSES_S) -> list[Tick]:
    """The ticks between two numbers in their order, as far as they are stored; none where they are more than `MOST`.

    Raises:
        QueryFailed (marketprism_client), SdkError (marketprism_sdk.errors): they cannot be asked for.
    """
    missing = tick.seq - before.seq - 1
    found: dict[int, Tick] = {}
    if missing > MOST:
        return []
    for pause in pauses_s:
        await asyncio.sleep(pause)
        for each in await stored(before.ts_event, tick.ts_event + 1):
            if before.seq < each.seq < tick.seq:
                found[each.seq] = each
        if len(found) == missing:
            break
    return [found[seq] for seq in sorted(found)]
