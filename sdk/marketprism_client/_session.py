"""One connection, to NATS or to an API gateway, and the questions that go over it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.plain_answers import decode_plain
from marketprism_application.contracts.plain_table import Table
from marketprism_application.contracts.questions import Question, decode_answer, encode_question
from marketprism_client._failures import QueryFailed, query_failures
from marketprism_client._libraries import has_arrow
from marketprism_client._line import Line, NatsLine, Receive, Stop
from marketprism_client._times import Time, nanoseconds, zone_of
from marketprism_sdk.lazy import loaded
from marketprism_sdk.nats.access import NatsAccess

_NAME = "marketprism-client"
_NATS = ("nats", "tls", "ws", "wss")  # those that nats-py connects to
_HTTP = ("http", "https")


class Session:
    """What the parts of a client share: where it is connected, how long it waits, in which zone it thinks."""

    def __init__(
        self,
        url: str,
        timeout_s: float,
        prefix: str,
        tz: str,
        key: str = "",
        ca: str | Path | None = None,
        access: NatsAccess | None = None,
    ) -> None:
        zone_of(tz)
        self.url = url
        self.timeout_s = timeout_s
        self.prefix = prefix
        self.tz = tz
        self.dropped = 0
        self.malformed = 0
        self._key = key
        self._ca = ca
        self._access = access
        self._line: Line | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            NotConnected: nobody is there. QueryFailed: what is given is no URL of NATS or of an API gateway.
        """
        scheme = ""
        for part in str(self.url).split(","):
            scheme, given, _ = part.strip().partition("://")
            if given and scheme not in (*_NATS, *_HTTP):
                raise QueryFailed(
                    Code.INVALID_PARAMETER,
                    f"url: expected nats://host:port, tls://host:port or https://host, was {scheme}://…",
                )
        if scheme not in _HTTP:
            self._line = await NatsLine.open(self.url, _NAME, self._nats_access())
            return
        if self._access is not None:
            raise QueryFailed(Code.INVALID_PARAMETER, "access: expected none with an API gateway, give its key")
        if "@" in str(self.url):
            raise QueryFailed(Code.INVALID_PARAMETER, "url: expected no user in it, give a key of the API gateway")
        if self.prefix:
            raise QueryFailed(Code.INVALID_PARAMETER, "url: expected nats://host:port for a replay, was an API gateway")
        from marketprism_client._http_line import HttpLine  # noqa: PLC0415 (only who speaks HTTP)

        with query_failures():
            self._line = await HttpLine.open(str(self.url), self._key, self._ca)

    def _nats_access(self) -> NatsAccess | None:
        if self._key:
            raise QueryFailed(Code.INVALID_PARAMETER, "key: expected none with NATS, give its access")
        if self._ca is None:
            return self._access
        return replace(self._access or NatsAccess(), ca=Path(self._ca))

    async def close(self) -> None:
        """Leave; what is still asked ends with NotConnected."""
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    @property
    def line(self) -> Line:
        """What questions and subscriptions go over, between `open` and `close`."""
        if self._line is None:
            raise RuntimeError("MarketClient: expected `async with MarketClient(url) as market`")
        return self._line

    async def ask(self, question: Question, *, timeout_s: float | None = None) -> Table:
        """Answer of a question as it is sent: a table of Arrow's, or where pyarrow is not installed a plain one.

        Raises:
            QueryFailed: the question is wrong, or the read side cannot answer it now. NoResponders, DeadlineExceeded,
            NotConnected: nobody answered.
        """
        line, asked, wait_s = self.line, encode_question(question), timeout_s or self.timeout_s
        if not has_arrow():
            with query_failures():
                return decode_plain(await line.ask(asked, timeout_s=wait_s, plain=True))
        await loaded("pyarrow")
        with query_failures():
            return decode_answer(await line.ask(asked, timeout_s=wait_s))

    async def call(self, method: str, body: object) -> object:
        """What a method of the query service answers; raises as `ask`."""
        with query_failures():
            return await self.line.call("query", method, body, timeout_s=self.timeout_s)

    async def subscribe(self, subject: str, receive: Receive) -> Stop:
        """Call `receive` for each message of a subject, until what is returned is called; raises as `ask`."""
        with query_failures():
            return await self.line.subscribe(subject, receive)

    def span(self, start: Time, end: Time) -> tuple[int | None, int | None]:
        """The instants of a range, as `time`.

        Raises:
            QueryFailed: one is not a time, or the end lies before the start.
        """
        ts_from, ts_to = self.time(start, "start"), self.time(end, "end")
        if ts_from is not None and ts_to is not None and ts_to < ts_from:
            raise QueryFailed(Code.INVALID_PARAMETER, f"end: expected at or after start ({start}), was {end}"[:200])
        return ts_from, ts_to

    def time(self, value: Time, name: str) -> int | None:
        """Nanoseconds UTC of a time that a user gave; without a zone it is in the client's.

        Raises:
            QueryFailed: not a time.
        """
        return nanoseconds(value, name, self.tz)
