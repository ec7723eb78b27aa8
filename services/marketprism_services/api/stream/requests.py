"""What a client's messages do, once who asks is known."""

from __future__ import annotations

import time

from marketprism_services.api.stream.client import Client
from marketprism_services.api.stream.hub import Hub
from marketprism_services.api.stream.messages import (
    Auth,
    ChannelRequest,
    Channels,
    Error,
    List,
    Ping,
    Pong,
    Request,
    Subscribe,
    Unsubscribe,
    Unsubscribed,
)
from marketprism_services.api.stream.wires import JsonBatches, JsonWire, MsgpackBatches, MsgpackWire

FLOOD = 4008


def answer(hub: Hub, client: Client, request: Request) -> None:
    """Do what is asked; answers are written as the client's other messages are."""
    match request:
        case Subscribe():
            _subscribe(hub, client, request)
        case Unsubscribe():
            gone = [text for text in request.channels if hub.unsubscribe(client, text)]
            client.send(Unsubscribed(id=request.id, channels=gone))
        case List():
            rows = [
                {"ch": each.name.text, "mode": each.mode, "at": each.token(each.sent)}
                for each in client.channels.values()
            ]
            client.send(Channels(id=request.id, channels=rows))
        case Ping():
            client.send(Pong(id=request.id, ts=time.time_ns()))
        case Auth():
            client.refuse("CONFLICT", "auth: expected once, who asks is known already", request=request.id)


def _subscribe(hub: Hub, client: Client, request: Subscribe) -> None:
    most = hub.settings.limits_of(client.principal.limits).channels
    count = len(client.channels) + len(request.channels)
    if count > most:
        text = f"channels: expected at most {most}, were {count}"
        client.send(Error(id=request.id, code="TOO_MANY_CHANNELS", fatal=True, message=text))
        client.close(FLOOD, text)
        return
    if request.batch and not client.channels and type(client.wire) in (JsonWire, MsgpackWire):
        client.flush()  # what waits is written as it was made
        if not client.queue:
            client.use(JsonBatches() if type(client.wire) is JsonWire else MsgpackBatches())
    for each in request.channels:
        hub.subscribe(client, each if isinstance(each, ChannelRequest) else ChannelRequest(each), request.id)
