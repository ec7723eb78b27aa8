"""What `MarketClient` speaks over HTTP: the questions and calls that it sends over NATS, in the same bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

import msgspec
from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, failed
from marketprism_application.access.principal import Principal
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.book_view import BookRequest
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.failures import wrong_field
from marketprism_application.contracts.kinds import BAR, KINDS, TICK, DataKind
from marketprism_application.contracts.plain_answers import plain_of
from marketprism_application.contracts.questions import (
    Audit,
    Latest,
    LatestBars,
    Question,
    Records,
    decode_answer,
    decode_question,
    encode_answer,
)
from marketprism_application.errors import QueryError
from marketprism_application.queries.answering import shaped
from marketprism_sdk.lazy import loaded
from marketprism_services.api.backends import QueryBackend
from marketprism_services.api.computing import computed
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.api.read.entitled import NotEntitled, asked_by, bounded_book, check_named, entitled, may_see
from marketprism_services.api.row_counts import check_rows, take_rows

T = TypeVar("T")
_ARROW, _MSGPACK = "application/vnd.apache.arrow.stream", "application/msgpack"
_AT_ONCE = 65_536
Monitor: TypeAlias = Callable[[], Awaitable[object]]


class ClientApi:
    """Questions are answered by the bytes that the read side gives, where all of them may be seen."""

    def __init__(self, query: QueryBackend, monitor: Monitor) -> None:
        self._asking = query
        self._monitor = monitor

    def endpoints(self) -> list[Endpoint]:
        """A question, and the calls that are no question."""
        return [
            Endpoint("POST", "/api/v1/client/ask", self._answers(self._ask, _ARROW, _rows_of_table), Scope.HISTORY),
            Endpoint(
                "POST", "/api/v1/client/latest_tick", self._answers(self._latest_tick, _MSGPACK, _one_row), Scope.READ
            ),
            Endpoint(
                "POST", "/api/v1/client/latest_bars", self._answers(self._latest_bars, _MSGPACK, _one_row), Scope.READ
            ),
            Endpoint(
                "POST", "/api/v1/client/orderbook", self._answers(self._orderbook, _MSGPACK, _one_row), Scope.READ
            ),
            Endpoint("POST", "/api/v1/client/monitor", self._answers(self._monitor_status, _MSGPACK), Scope.SYSTEM),
        ]

    def _answers(
        self,
        work: Callable[[Principal, bytes], Awaitable[bytes]],
        content_type: str,
        rows: Callable[[bytes], Awaitable[int]] | None = None,
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                if rows is not None:
                    check_rows(request)
                found = await work(principal_of(request), await request.read())
                if rows is not None and principal_of(request).quotas:
                    take_rows(request, await rows(found))
                if rows is not None and request.headers.get("Accept") == _MSGPACK:
                    return _answered(await computed(lambda: plain_of(found)), _MSGPACK)
            except Exception as error:  # noqa: BLE001 (turned into an answer, or raised again)
                return failed(request, error, Stamp.of(request))
            return _answered(found, content_type)

        return handle

    async def _ask(self, who: Principal, body: bytes) -> bytes:
        try:
            question = decode_question(body)
        except ValueError as error:
            raise QueryError(str(error)) from error
        if who.entitlements.is_unbounded:
            return await self._asking.ask_raw(body)
        if isinstance(question, Audit):
            raise NotEntitled(f"sources: expected whoever sees every instrument, was {who.id}")
        kind = _kind_of(question)
        for named in _named(question):
            check_named(who, named, kind)
        if isinstance(question, Records):
            # What decides who may see a row is not among the columns that are asked for.
            whole = msgspec.structs.replace(question, fields=(), levels=0)
            found = entitled(await self._asking.ask(whole), who, kind)
            return encode_answer(shaped(found, question.fields, question.levels))
        return encode_answer(entitled(await self._asking.ask(asked_by(who, question)), who, kind))

    async def _latest_tick(self, who: Principal, body: bytes) -> bytes:
        symbol = _asked(body, str)
        check_named(who, symbol, TICK)
        found = await self._asking.latest_tick(symbol)
        return msgspec.msgpack.encode(found if found is not None and _may_see(who, found, TICK) else None)

    async def _latest_bars(self, who: Principal, body: bytes) -> bytes:
        asked = _asked(body, LatestBars)
        check_named(who, asked.symbol, BAR)
        found = await self._asking.latest_bars(asked)
        return msgspec.msgpack.encode([each for each in found if _may_see(who, each, BAR)])

    async def _orderbook(self, who: Principal, body: bytes) -> bytes:
        return msgspec.msgpack.encode(await self._asking.orderbook(bounded_book(who, _asked(body, BookRequest))))

    async def _monitor_status(self, _: Principal, __: bytes) -> bytes:
        return msgspec.msgpack.encode(await self._monitor())


def _answered(body: bytes, content_type: str) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


async def _rows_of_table(answer: bytes) -> int:
    """How many rows a table has: what is large is compressed, and unpacked in a thread."""

    def count() -> int:
        return decode_answer(answer).num_rows

    await loaded("pyarrow")
    return count() if len(answer) <= _AT_ONCE else await computed(count)


async def _one_row(_: bytes) -> int:
    return 1


def _asked(body: bytes, of: type[T]) -> T:
    """The body of a call. Raises QueryError: it is none."""
    try:
        return msgspec.msgpack.decode(body, type=of)
    except msgspec.ValidationError as error:
        raise QueryError(wrong_field(error, "body")) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise QueryError(f"body: expected MessagePack, {type(error).__name__}") from error


def _may_see(who: Principal, message: bytes, kind: DataKind) -> bool:
    if who.entitlements.is_unbounded:
        return True  # nothing has to be read for it
    record = decode(kind, message)
    return may_see(who, record.venue, record.symbol, kind, getattr(record, kind.time_field))


def _named(question: Question) -> tuple[str, ...]:
    if isinstance(question, Latest):
        return question.symbols
    named = (getattr(question, name, None) for name in ("symbol", "product"))
    return tuple(each for each in named if isinstance(each, str))


def _kind_of(question: Question) -> DataKind | None:
    """The kind that an answer holds; bars where it is made of them."""
    name = getattr(question, "kind", None)
    if isinstance(name, str):
        return KINDS.get(name)
    return BAR if hasattr(question, "symbol") or hasattr(question, "product") else None
