"""When clients are written to: at the end of the loop's turn, and again when a full socket has emptied itself.

One callback a turn for all clients, one timer while some are blocked, and one a second for heartbeats and notes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from marketprism_sdk.observability import Metrics
from marketprism_services.api.stream.channel import Channel
from marketprism_services.api.stream.client import Client
from marketprism_services.api.stream.messages import Conflated, Heartbeat, Notice
from marketprism_services.api.stream.settings import StreamSettings

_LOOK_S = 0.02
_NOTES_S = 5.0
STALLED = 4013


@dataclass(slots=True)
class _Blocked:
    """A client whose socket is full: since when, and when it last took a byte."""

    since_s: float
    taken: int
    taken_s: float


class Outlet:
    """All clients' writing. `on_lag` is called with each tape that has to be read from its stream."""

    def __init__(
        self,
        settings: StreamSettings,
        metrics: Metrics,
        on_lag: Callable[[Channel], None],
        position_of: Callable[[str], int],
    ) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.clients: dict[Client, None] = {}
        self.due: list[Client] = []
        self.skipping: list[Channel] = []  # channels of which something was skipped, and nobody knows yet
        self.sent = 0
        self.position_of: Callable[[str], int] = position_of
        self._settings = settings
        self._metrics = metrics
        self._on_lag = on_lag
        self._blocked: dict[Client, _Blocked] = {}
        self._is_scheduled = False
        self._look: asyncio.TimerHandle | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._notes_s = 0.0
        metrics.watch("stream_messages_sent_total", lambda: float(self.sent))

    def start(self) -> None:
        """Begin with the heartbeats of clients."""
        self._beat = self.loop.call_later(self._beat_s, self._on_beat)

    def stop(self) -> None:
        """No timer any more."""
        for timer in (self._beat, self._look):
            if timer is not None:
                timer.cancel()

    @property
    def _beat_s(self) -> float:
        return min(1.0, self._settings.beat_s / 2)

    def schedule(self) -> None:
        """Write at the end of this turn to whoever is due."""
        if not self._is_scheduled and self.due:
            self._is_scheduled = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write to all that are due."""
        self._is_scheduled = False
        due, self.due = self.due, []
        for client in due:
            client.flush()

    def block(self, client: Client) -> None:
        """Look again and again whether the socket of a client has emptied itself."""
        client.is_blocked = True
        now = self.loop.time()
        self._blocked[client] = _Blocked(now, client.taken, now)
        if self._look is None:
            self._look = self.loop.call_later(_LOOK_S, self._on_look)

    def _on_look(self) -> None:
        self._look = None
        now = self.loop.time()
        for client, state in list(self._blocked.items()):
            if client.is_closed:
                self._unblock(client)
            elif client.transport.get_write_buffer_size() <= self._settings.buffer_bytes // 2:
                self._unblock(client)
                client.flush()
            else:
                self._judge(client, state, now)
        if self._blocked:
            self._look = self.loop.call_later(_LOOK_S, self._on_look)

    def _unblock(self, client: Client) -> None:
        client.is_blocked = False
        self._blocked.pop(client, None)

    def _judge(self, client: Client, state: _Blocked, now: float) -> None:
        taken = client.taken
        if taken != state.taken:
            state.taken, state.taken_s = taken, now
        if now - state.taken_s > self._settings.reader_stall_s:
            self._unblock(client)
            client.close(STALLED, f"no byte was taken for {self._settings.reader_stall_s:g} s")
        elif now - state.since_s >= self._settings.lag_after_s:
            self.shed(client)

    def shed(self, client: Client) -> None:
        """Let the live tapes of which something waits be read from their streams instead."""
        for channel in {entry[0]: None for entry in client.queue if entry[0] is not None}:
            if not channel.is_latest and channel.task is None and not channel.ended:
                client.drop(channel)
                self._on_lag(channel)

    def count_close(self, code: int) -> None:
        """Count a connection that was closed, by its code."""
        self._metrics.count("stream_closed_total", code=str(code))

    def _on_beat(self) -> None:
        self._beat = self.loop.call_later(self._beat_s, self._on_beat)
        for client in list(self.clients):
            if client.spoke:
                client.spoke, client.quiet_s = False, 0.0
                continue
            client.quiet_s += self._beat_s
            if client.quiet_s >= self._settings.beat_s and not client.is_closed:
                client.quiet_s = 0.0
                client.send(Heartbeat(ts=time.time_ns(), at=client.positions()))
        self._notes_s += self._beat_s
        if self._notes_s >= _NOTES_S:
            self._notes_s = 0.0
            self._send_notes()

    def _send_notes(self) -> None:
        """What was skipped since the last time, and what was left out."""
        skipping, self.skipping = self.skipping, []
        for channel in skipping:
            if not channel.ended:
                note = Conflated(ch=channel.name.text, skipped=channel.skipped, since=channel.skipped_since)
                channel.client.send(note)
            self._metrics.count("stream_conflated_total", channel.skipped)
            channel.skipped = 0
        for client in list(self.clients):
            for channel in client.channels.values():
                self.note_left_out(channel)

    @staticmethod
    def note_left_out(channel: Channel) -> None:
        """Say how many subjects of a channel were left out, if they have become more."""
        count = len(channel.left_out)
        if count > channel.left_out_noted:
            channel.left_out_noted = count
            text = "subjects that you are not entitled to see were left out"
            channel.client.send(Notice(code="LEFT_OUT", ch=channel.name.text, count=count, message=text))
