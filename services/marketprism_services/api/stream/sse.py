"""`GET /api/v1/stream`: the same channels as server-sent events, for what cannot speak WebSocket.

`ch` is a channel, given as often as there are; `mode`, `snapshot`, `every_ms` and `depth` are those of all of them. The
id of an event goes on as `Last-Event-ID`, or as `after`.
"""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web

from marketprism_application.access.principal import Principal
from marketprism_services.api.stream.access import Refused, check_channel
from marketprism_services.api.stream.channel_names import ChannelError, parse_channel
from marketprism_services.api.stream.client import Client
from marketprism_services.api.stream.hub import LOST, Hub
from marketprism_services.api.stream.messages import ChannelRequest, Hello
from marketprism_services.api.stream.tokens import Token, TokenError
from marketprism_services.api.stream.wires import NO_TOKEN, EventWire

MOST_CHANNELS = 16
_PARAMETERS = ("ch", "mode", "snapshot", "every_ms", "depth", "after")
_LOOK_S = 1.0


class EventRequestError(ValueError):
    """A request for events that cannot be answered; `status` and `code` say how it is refused."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


def channels_of(request: web.Request, principal: Principal) -> list[ChannelRequest]:
    """The channels that are asked for.

    Raises:
        EventRequestError: a parameter is wrong, or a channel is not for the principal.
    """
    query = request.query
    unknown = [name for name in query if name not in _PARAMETERS]
    if unknown:
        expected = ", ".join(_PARAMETERS)
        raise EventRequestError(400, "INVALID_PARAMETER", f"parameter: expected one of {expected}, was {unknown[0]!r}")
    names = query.getall("ch", [])
    if not 1 <= len(names) <= MOST_CHANNELS or len(set(names)) < len(names):
        text = f"ch: expected 1 to {MOST_CHANNELS} different channels, were {len(names)}"
        raise EventRequestError(400, "INVALID_PARAMETER", text)
    given: dict[str, str] = {name: query[name] for name in ("mode", "snapshot", "every_ms", "depth") if name in query}
    tokens = _tokens(request.headers.get("Last-Event-ID") or query.get("after", ""), len(names))
    found = []
    for name, token in zip(names, tokens, strict=True):
        try:
            asked = msgspec.convert({"ch": name, "after": token, **given}, ChannelRequest, strict=False)
            channel = parse_channel(name)
            check_channel(principal, channel)
            if token is not None and Token.parse(token).stream != channel.stream:
                raise TokenError(f"after: expected a token of {channel.stream}, was {token[:80]}")
        except Refused as error:
            raise EventRequestError(403, error.code, str(error)) from error
        except (ChannelError, TokenError, msgspec.ValidationError) as error:
            raise EventRequestError(400, "INVALID_PARAMETER", str(error)) from error
        found.append(asked)
    return found


def _tokens(text: str, count: int) -> list[str | None]:
    """The token of each channel, in the order of the channels."""
    if not text:
        return [None] * count
    parts = text.split(",")
    if len(parts) != count:
        expected = f"after: expected a token for each of {count} channels, were {len(parts)}"
        raise EventRequestError(400, "INVALID_PARAMETER", expected)
    return [None if part == NO_TOKEN else part for part in parts]


async def serve_events(
    request: web.Request, hub: Hub, principal: Principal, channels: list[ChannelRequest], hello: Hello
) -> web.StreamResponse:
    """Send events until the client goes or is ended."""
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    response.force_close()
    await response.prepare(request)
    transport = request.transport
    if transport is None:
        return response
    wire = EventWire()
    client = Client(hub.outlet, hub.settings, transport, wire, principal, transport.close)
    hub.enter(client)
    try:
        client.send(hello)
        for asked in channels:
            hub.subscribe(client, asked)
        wire.channels = list(client.channels.values())
        while not client.is_closed:  # noqa: ASYNC110 (nothing of aiohttp's says that a reader has gone)
            await asyncio.sleep(_LOOK_S)
    finally:
        if not client.close_code:
            client.close_code = LOST
            hub.outlet.count_close(LOST)
        hub.leave(client)
    return response
