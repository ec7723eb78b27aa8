"""All clients and their channels at one instance; nothing of them is anywhere else."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter

import structlog

from marketprism_application.access.principal import Principal
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import Metrics
from marketprism_services.api.stream.access import Refused, check_channel
from marketprism_services.api.stream.channel import Beginning, Channel, Phase
from marketprism_services.api.stream.channel_names import ChannelError, parse_channel
from marketprism_services.api.stream.client import Client
from marketprism_services.api.stream.feed import Feed
from marketprism_services.api.stream.joining import BookFinder, Joining
from marketprism_services.api.stream.messages import ChannelRequest, Id, Notice
from marketprism_services.api.stream.outlet import Outlet
from marketprism_services.api.stream.settings import StreamSettings
from marketprism_services.api.stream.system_channels import SYSTEM
from marketprism_services.api.stream.system_feed import ReadSystem, SystemFeed
from marketprism_services.api.stream.tokens import Token, TokenError, incarnation_at

log = structlog.get_logger()

AWAY, LOST, RESTART, REVOKED, CROWDED = 1001, 1006, 1012, 4010, 4029
_NOTICE_S = 0.5  # from the notice that a drain begins to the first close


class Hub:
    """Made in a running loop. `books` finds live books, where there are any; `system` reads the system for
    those who watch it."""

    def __init__(
        self,
        connection: NatsConnection,
        metrics: Metrics,
        settings: StreamSettings,
        books: BookFinder | None = None,
        system: ReadSystem | None = None,
    ) -> None:
        self._read_system = system
        self.settings = settings
        self.is_draining = False
        self._connection = connection
        self._metrics = metrics
        metrics.begin("stream_conflated_total", "stream_lagging_total", "stream_gaps_total")
        self._feeds: dict[str, Feed] = {}
        self._system: SystemFeed | None = None
        self._counts: Counter[str] = Counter()
        self.outlet = Outlet(settings, metrics, self._lag, self._position)
        self._joining = Joining(connection, settings, metrics, books, self._fail)
        self._forget = (
            connection.on_disconnect(lambda: self._notify("UPSTREAM_AWAY", "NATS is away; subscriptions stay")),
            connection.on_reconnect(lambda: self._notify("UPSTREAM_BACK", "NATS is back; subscriptions go on")),
        )
        metrics.watch("stream_connections", lambda: float(len(self.outlet.clients)))
        metrics.watch("stream_channels", lambda: float(sum(len(each.channels) for each in self.outlet.clients)))
        metrics.watch("stream_waiting_bytes", lambda: float(sum(each.waiting_bytes for each in self.outlet.clients)))
        metrics.watch("stream_catch_ups", lambda: float(self._joining.past.reading))

    def start(self) -> None:
        """Begin with the heartbeats of clients."""
        self.outlet.start()

    def _position(self, stream: str) -> int:
        feed = self._system if stream == SYSTEM else self._feeds.get(stream)
        return feed.position if feed is not None else 0

    def _notify(self, code: str, text: str) -> None:
        for client in list(self.outlet.clients):
            client.send(Notice(code=code, message=text))

    # -- clients -----------------------------------------------------------------------------------------------------

    def has_place(self, principal: Principal) -> bool:
        """Whether the principal may have one more connection."""
        return self._counts[principal.id] < self.settings.limits_of(principal.limits).connections

    def enter(self, client: Client) -> None:
        """Count a client in."""
        self.outlet.clients[client] = None
        self._counts[client.principal.id] += 1

    def leave(self, client: Client) -> None:
        """Count a client out, with all its channels; twice is fine."""
        if client not in self.outlet.clients:
            return
        del self.outlet.clients[client]
        self._counts[client.principal.id] -= 1
        if not self._counts[client.principal.id]:
            del self._counts[client.principal.id]
        client.release()
        for channel in client.channels.values():
            self._remove(channel)
        client.channels = {}

    def end(self, of: str) -> int:
        """Close what was opened with a credential that was revoked, or by a principal or its keys; returns how many."""
        revoked = [
            each
            for each in self.outlet.clients
            if of in (each.principal.credential, each.principal.id, f"user:{each.principal.owner}")
        ]
        for client in revoked:
            client.close(REVOKED, "what you asked with was revoked")
        return len(revoked)

    async def drain(self) -> None:
        """Take no more clients, say so to those that are there and close them, spread over `drain_s`."""
        self.is_draining = True
        within_s = self.settings.drain_s
        for client in list(self.outlet.clients):
            client.send(Notice(code="DRAINING", in_s=within_s))
            at_s = random.uniform(min(_NOTICE_S, within_s / 2), within_s)
            self.outlet.loop.call_later(at_s, client.close, RESTART, "this instance ends; connect again")
        end_s = self.outlet.loop.time() + within_s + 1.0
        while self.outlet.clients and self.outlet.loop.time() < end_s:  # noqa: ASYNC110 (or until it is over)
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        """Close what is left and let NATS go."""
        self.is_draining = True
        for forget in self._forget:
            forget()
        for client in list(self.outlet.clients):
            client.close(AWAY, "this instance ends")
            self.leave(client)
        self.outlet.stop()
        for feed in self._feeds.values():
            await feed.close()
        if self._system is not None:
            await self._system.close()

    # -- channels ----------------------------------------------------------------------------------------------------

    def subscribe(self, client: Client, asked: ChannelRequest, request: Id = None) -> None:
        """Add a channel, which is joined by itself; what is wrong with it is an error that is not fatal."""
        try:
            name = parse_channel(asked.ch)
            check_channel(client.principal, name)
            after = Token.parse(asked.after) if asked.after else None
            if after is not None and after.stream != name.stream:
                raise TokenError(f"after: expected a token of {name.stream}, was of {after.stream}")
            if asked.ch in client.channels:
                raise Refused("CONFLICT", f"ch: expected a channel that is not subscribed yet, was {asked.ch}")
        except Refused as error:
            client.refuse(error.code, str(error), request=request, channel=asked.ch)
            return
        except (ChannelError, TokenError) as error:
            code = "UNKNOWN_CHANNEL" if isinstance(error, ChannelError) else "INVALID_PARAMETER"
            client.refuse(code, str(error), request=request, channel=asked.ch)
            return
        channel = Channel(client, name, asked)
        count = int(asked.snapshot if asked.snapshot is not None else name.is_state)
        if count > self.settings.snapshot_messages or (count > 1 and not name.is_exact):
            most = self.settings.snapshot_messages if name.is_exact else 1
            text = f"snapshot: expected at most {most} messages for {name.text}, was {count}"
            client.refuse("INVALID_PARAMETER", text, request=request, channel=asked.ch)
            return
        if not name.is_exact and not channel.is_latest:
            count = 0
        client.channels[name.text] = channel
        if name.is_system:
            self._begin_system(channel, Beginning(after, count, request))
            return
        self._feed(name.stream).routes.add(channel)
        self._joining.start(channel, self._feed(name.stream), Beginning(after, count, request))

    def unsubscribe(self, client: Client, text: str) -> bool:
        """Whether there was such a channel; it is no more."""
        channel = client.channels.pop(text, None)
        if channel is None:
            return False
        channel.end()
        client.drop(channel)
        self._remove(channel)
        return True

    def _feed(self, stream: str) -> Feed:
        feed = self._feeds.get(stream)
        if feed is None:
            feed = self._feeds[stream] = Feed(
                self._connection,
                stream,
                self.settings.filters,
                self._metrics,
                self.outlet.schedule,
                self._on_other,
                self._on_hole,
            )
        return feed

    def _begin_system(self, channel: Channel, beginning: Beginning) -> None:
        if self._system is None:
            if self._read_system is None:
                channel.client.channels.pop(channel.name.text, None)
                text = f"ch: expected one that this instance has, was {channel.name.text}"
                channel.client.refuse("UNAVAILABLE", text, request=beginning.request, channel=channel.name.text)
                return
            self._system = SystemFeed(
                self._connection,
                self._metrics,
                self._read_system,
                incarnation_at(time.time_ns()),
                self.outlet.schedule,
            )
        self._system.routes.add(channel)
        channel.hold()
        channel.run(self._system.begin(channel, beginning))

    def _remove(self, channel: Channel) -> None:
        feed = self._system if channel.name.is_system else self._feeds.get(channel.name.stream)
        if feed is not None:
            feed.remove(channel)

    def _lag(self, channel: Channel) -> None:
        if self._system is not None and channel.name.is_system:
            self._system.lag(channel)
            return
        self._joining.lag(channel, self._feeds[channel.name.stream])

    def _fail(self, channel: Channel, request: Id, code: str, text: str) -> None:
        """A channel that cannot be made live goes."""
        client = channel.client
        client.channels.pop(channel.name.text, None)
        self._remove(channel)
        channel.ended = True
        client.refuse(code, text, request=request, channel=channel.name.text)

    def _on_other(self, feed: Feed) -> None:
        """The stream is a new one: each channel begins anew, with a gap."""
        for channel in feed.routes.channels():
            channel.leave()
            channel.client.drop(channel)
            channel.slots = {}
            channel.last = 0
            self._joining.start_anew(channel, feed)

    def _on_hole(self, feed: Feed, first: int) -> None:
        """Messages went before they could be read: every tape has a gap."""
        for channel in feed.routes.channels():
            if channel.phase is Phase.LIVE and not channel.is_latest:
                self._joining.send_gap(channel, channel.token(channel.last), first, is_other=False)
