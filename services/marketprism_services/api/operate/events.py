"""Events of the last days, newest first: what the event stream still holds, read by direct get in bounded steps."""

from __future__ import annotations

from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, count_of
from marketprism_adapters.nats import streams
from marketprism_application.access.principal import Principal
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.codec import ContractError, decode
from marketprism_application.contracts.kinds import EVENT
from marketprism_application.contracts.subjects import escape
from marketprism_domain.events.registry import ROUTINE
from marketprism_domain.marketdata.event_record import EventRecord
from marketprism_sdk.errors import StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import Held, held_between
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.api.operate.parameters import EventsParameters

_FIRST_WINDOW = 1_024  # sequences that are looked at at first, twice as many each time again
_WIDEST, _MOST_WINDOWS = 8_192, 48
_MOST_READ = 10_000  # messages of one answer
_WEIGHT = 5


class EventsApi:
    """`GET /api/v1/events`."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    def endpoints(self) -> list[Endpoint]:
        """The one request, for newest events."""
        return [Endpoint("GET", "/api/v1/events", self._list, Scope.SYSTEM, weight=_WEIGHT)]

    async def _list(self, request: web.Request) -> web.Response:
        asked = EventsParameters.of(request)
        who = principal_of(request)
        try:
            found, before = await self._newest(asked, who)
        except StreamMissing:
            found, before = [], 0
        rows = [{"stream_seq": seq, **event._asdict()} for seq, event in found]
        return answered({"events": rows, "before": before or None}, count_of(len(rows), "event"), Stamp.of(request))

    async def _newest(self, asked: EventsParameters, who: Principal) -> tuple[list[tuple[int, EventRecord]], int]:
        """Events, newest first, and the sequence before which there may be more, 0 where there are none."""
        state = (await stream_info(self._connection, streams.EVENTS, within_s=0))["state"]
        first, last = max(1, int(state["first_seq"])), int(state["last_seq"])
        end = last if asked.before is None else min(last, asked.before - 1)
        subject = f"market.event.{escape(asked.name)}" if asked.name else "market.event.>"
        found: list[tuple[int, EventRecord]] = []
        read, window = 0, _FIRST_WINDOW
        for _ in range(_MOST_WINDOWS):
            if end < first or len(found) == asked.limit or read > _MOST_READ:
                break
            start = max(first, end - window + 1)
            held = await held_between(self._connection, streams.EVENTS, subject, start, end)
            read += len(held)
            for each in reversed(held):
                event = _event_in(each)
                if event is not None and _fits(event, asked) and _may_see(event, who):
                    found.append((each.seq, event))
                    if len(found) == asked.limit:
                        return found, each.seq if each.seq > first else 0
            end, window = start - 1, min(_WIDEST, window * 2)
        return found, end + 1 if end >= first else 0


def _event_in(held: Held) -> EventRecord | None:
    try:
        found = decode(EVENT, held.data)
    except ContractError:
        return None
    return found if isinstance(found, EventRecord) else None


def _fits(event: EventRecord, asked: EventsParameters) -> bool:
    return (
        (asked.venue is None or event.venue == asked.venue)
        and (asked.symbol is None or event.symbol == asked.symbol)
        and (asked.source is None or event.source == asked.source)
        and (asked.routine or event.name not in ROUTINE)
    )


def _may_see(event: EventRecord, who: Principal) -> bool:
    """Events of the system are the scope's, those of an instrument who may see it."""
    return not event.symbol or who.sees(event.venue, event.symbol, EVENT.name)
