"""How a channel becomes live, for a subscription, a resumption and a tape that lagged alike.

What comes live is held back; then what the channel begins with is sent (the newest of each subject, the last so many,
or all behind a token), then what was held back with a higher sequence, then whatever comes. Where too much would have
to be held back, the channel leaves the live flow until it has read more of the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from marketprism_application.contracts.book_view import BookRequest, BookView
from marketprism_application.contracts.kinds import ORDERBOOK
from marketprism_application.errors import ApplicationError
from marketprism_sdk.errors import SdkError, StreamError, StreamMissing, reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import Metrics
from marketprism_services.api.stream.channel import Beginning, Channel, Phase
from marketprism_services.api.stream.client import ClientClosed
from marketprism_services.api.stream.feed import Feed
from marketprism_services.api.stream.messages import CaughtUp, Gap, Id, Lagging, Notice, Subscribed
from marketprism_services.api.stream.outlet import Outlet
from marketprism_services.api.stream.past import PastReader, book_snapshot, last_seq_of, newest_of, start_of_last
from marketprism_services.api.stream.reach import settled_reach
from marketprism_services.api.stream.settings import StreamSettings
from marketprism_services.api.stream.tokens import Token
from marketprism_services.api.stream.updates import Update

log = structlog.get_logger()

BookFinder = Callable[[BookRequest], Awaitable[BookView]]
_AGAIN_S = 0.25
_INFO_S = 5.0


class Joining:
    """Makes channels live. `on_failed` is called with one that cannot be, a code and why."""

    def __init__(
        self,
        connection: NatsConnection,
        settings: StreamSettings,
        metrics: Metrics,
        books: BookFinder | None,
        on_failed: Callable[[Channel, Id, str, str], None],
    ) -> None:
        self._connection = connection
        self._metrics = metrics
        self._books = books
        self._on_failed = on_failed
        self.past = PastReader(connection, settings.catch_ups)

    def start(self, channel: Channel, feed: Feed, beginning: Beginning) -> None:
        """Make a channel live, beside whoever asks."""
        channel.beginning = beginning
        channel.run(self.begin(channel, feed, beginning))

    def start_anew(self, channel: Channel, feed: Feed) -> None:
        """The same when its stream turned out to be another one: with a gap, where its client knows that it is on."""
        before = channel.beginning
        if before is not None and not before.is_announced:
            self.start(channel, feed, replace(before, at=None, is_settled=True))
            return
        after = Token(feed.stream, channel.incarnation, channel.sent)
        self.start(channel, feed, Beginning(after, int(channel.is_latest), is_announced=True, is_settled=True))

    async def begin(self, channel: Channel, feed: Feed, beginning: Beginning) -> None:
        """Make it live, however often NATS goes away meanwhile."""
        while not channel.ended:
            try:
                await self._attempt(channel, feed, beginning)
                break
            except ClientClosed:
                return
            except SdkError as error:
                channel.leave()
                if isinstance(error, StreamMissing) or (isinstance(error, StreamError) and not error.retryable):
                    self._on_failed(channel, beginning.request, "UNAVAILABLE", reason_of(error))
                    return
                log.debug("stream_channel.not_joined", channel=channel.name.text, error=str(error))
                await asyncio.sleep(_AGAIN_S)

    async def _attempt(self, channel: Channel, feed: Feed, beginning: Beginning) -> None:
        channel.hold()
        behind = await feed.cover(channel)
        channel.incarnation = feed.incarnation
        after = await self._checked(channel, beginning)
        if channel.is_latest:
            await self._state(channel, feed, beginning, behind, after)
            return
        if beginning.at is None and after is None and _is_book(channel) and self._books is not None:
            await self._book(channel, beginning, behind)
            if channel.phase is Phase.LIVE:
                return
            beginning.at = behind  # more came meanwhile than can be held back: from where the snapshot stands
        if beginning.at is None:
            if after is not None:
                beginning.at = after
            elif beginning.snapshot:
                beginning.snapshot_until = await last_seq_of(self._connection, channel.name)
                beginning.at = await start_of_last(self._connection, channel.name, beginning.snapshot) - 1
            else:
                beginning.at = behind
        self._announce(channel, beginning, beginning.at)
        channel.sent = max(channel.sent, beginning.at)
        await self._tape(channel, feed, beginning, behind)

    def _announce(self, channel: Channel, beginning: Beginning, at: int) -> None:
        if not beginning.is_announced:
            beginning.is_announced = True
            channel.last = channel.sent = at
            channel.client.send(
                Subscribed(id=beginning.request, ch=channel.name.text, mode=channel.mode, at=channel.token(at))
            )

    async def _checked(self, channel: Channel, beginning: Beginning) -> int | None:
        """The sequence to go on from; a gap is sent where the stream does not hold what comes behind it."""
        after = beginning.after
        if beginning.at is not None:
            after = Token(channel.name.stream, channel.incarnation, beginning.at)
        elif after is None:
            return None
        is_same = after.incarnation == channel.incarnation
        awaited = after.seq if is_same and not beginning.is_settled else 0
        _, first, last = await settled_reach(self._connection, channel.name.stream, awaited, _INFO_S)
        if is_same and first - 1 <= after.seq <= last:
            return after.seq
        is_other = not is_same or after.seq > last
        self.send_gap(channel, str(after), first, is_other=is_other)
        beginning.after = None
        beginning.at = None if channel.is_latest else max(0, first - 1)
        return beginning.at

    def send_gap(self, channel: Channel, after: str, first: int, *, is_other: bool) -> None:
        """Name the messages that are not in the stream any more, and where the rest may be read."""
        self._metrics.count("stream_gaps_total")
        name = channel.name
        kind = name.kinds[0]
        path = None
        if kind.path and name.symbol is not None and len(name.kinds) == 1:
            path = f"/api/v1/{kind.path}/{name.symbol}"
            if name.venue is not None:
                path += f"?venue={name.venue}"
        gap = Gap(
            ch=name.text,
            after=after,
            first=channel.token(first),
            reason="other_stream" if is_other else "aged_out",
            read=path,
        )
        channel.client.send(gap)

    # -- states ------------------------------------------------------------------------------------------------------

    async def _state(self, channel: Channel, feed: Feed, beginning: Beginning, behind: int, after: int | None) -> None:
        """The newest of each subject behind the token, then the newest of what was held back."""
        found: list[Update] = []
        if beginning.snapshot or after is not None:
            newest = feed.routes.newest(channel.name.text) if channel.name.is_exact else None
            if newest is not None:
                found = [newest.as_snapshot()]
            else:
                found = await newest_of(self._connection, channel.name, behind)
        found = [each for each in found if each.read() and (not channel.is_bounded or channel.may_see(each))]
        self._announce(channel, beginning, max([behind, *(each.n for each in found)]) if found else behind)
        for update in found:
            if after is None or update.n > after:
                channel.client.append(channel, update)
        floors = {each.subject: each.n for each in found}
        channel.last = 0
        channel.go_live(behind if not floors else min(behind, *floors.values()), floors)
        Outlet.note_left_out(channel)
        channel.client.schedule()

    # -- tapes -------------------------------------------------------------------------------------------------------

    async def _tape(self, channel: Channel, feed: Feed, beginning: Beginning, behind: int) -> None:
        """All behind a sequence: read from the stream until nothing is there that was not held back, then live."""
        client = channel.client
        while True:
            await client.room()
            if channel.phase is not Phase.HOLDING:
                channel.hold()
                behind = await feed.cover(channel)
            at = beginning.at or 0
            until = await last_seq_of(self._connection, channel.name, behind)
            if until > at:
                at = beginning.at = await self.past.read(channel, at, until, snapshot_until=beginning.snapshot_until)
            if at >= until and channel.phase is Phase.HOLDING:  # else more came meanwhile than was held back
                break
        channel.go_live(at)
        client.schedule()

    def lag(self, channel: Channel, feed: Feed) -> None:
        """Have a tape read from the stream, at its reader's pace, behind what was written of it."""
        self._metrics.count("stream_lagging_total")
        channel.leave()
        channel.last = channel.sent
        channel.client.send(Lagging(ch=channel.name.text, n=channel.sent))
        channel.run(self._catch_up(channel, feed))

    async def _catch_up(self, channel: Channel, feed: Feed) -> None:
        try:
            await channel.client.room()
        except ClientClosed:
            return
        beginning = Beginning(is_announced=True, at=channel.sent)
        if _is_book(channel) and self._books is not None:
            beginning.at = None
        await self.begin(channel, feed, beginning)
        if not channel.ended:
            channel.client.send(CaughtUp(ch=channel.name.text, n=channel.last))

    # -- books -------------------------------------------------------------------------------------------------------

    async def _book(self, channel: Channel, beginning: Beginning, behind: int) -> None:
        """The book as the gateway that keeps it has it, then the updates that it does not have yet."""
        name = channel.name
        asked = BookRequest(name.venue or "", name.symbol or "", channel.request.depth)
        update, problem = None, ""
        try:
            book = (await self._books(asked)).as_book() if self._books is not None else None
        except (ApplicationError, SdkError) as error:
            problem = reason_of(error)
        else:
            update = book_snapshot(name, book, behind) if book is not None else None
        self._announce(channel, beginning, behind)
        if update is not None and update.read() and (not channel.is_bounded or channel.may_see(update)):
            channel.client.append(channel, update)
            channel.book_seq = update.number("seq")
        elif problem:
            channel.client.send(Notice(code="NO_SNAPSHOT", ch=name.text, message=problem))
        if channel.phase is Phase.HOLDING:
            channel.go_live(behind)
            channel.client.schedule()


def _is_book(channel: Channel) -> bool:
    return channel.name.is_exact and channel.name.kinds == (ORDERBOOK,)
