"""What the API says of server-sent events; the WebSocket is in the AsyncAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from marketprism_adapters.http.openapi import NEEDED
from marketprism_adapters.http.operation import Operation
from marketprism_application.contracts.failures import Code
from marketprism_services.api.stream.api import EVENTS_PATH
from marketprism_services.api.stream.sse import MOST_CHANNELS

TAGS: Mapping[str, str] = {"live": "What is live, as events; `/ws/v1/stream` has the same channels."}


class EventParameters(BaseModel):
    """What a request for events may hold, beside the header `Last-Event-ID`."""

    ch: Annotated[list[str], Field(min_length=1, max_length=MOST_CHANNELS)] = Field(
        [], description="a subject of NATS, as often as there are channels", json_schema_extra={NEEDED: True}
    )
    mode: Literal["latest", "all"] | None = Field(None, description="of every channel; what its kind has without it")
    snapshot: int | None = Field(None, ge=0, le=100_000, description="how many messages each channel begins with")
    every_ms: int = Field(0, ge=0, le=60_000, description="at most one message of a state in so many milliseconds")
    depth: int = Field(0, ge=0, le=10_000, description="levels of a book's snapshot; 0: all")
    after: str | None = Field(None, description="the id of the last event, as `Last-Event-ID`: what follows it is sent")


def operations() -> Iterator[Operation]:
    """The request for events, which has no end."""
    yield Operation(
        EVENTS_PATH,
        "Channels as server-sent events, until whoever asks goes.",
        (EventParameters,),
        content_types=("text/event-stream",),
        tag="live",
        codes=(Code.NOT_ENTITLED, Code.UNAVAILABLE),
        examples={"ch": ["market.tick.ru1901"]},
    )
