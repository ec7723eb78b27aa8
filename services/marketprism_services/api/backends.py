"""The services behind the door: found in the registry, asked over NATS, left alone for a while when they fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from marketprism_application.contracts.book_view import BookRequest, BookView
from marketprism_application.contracts.failures import AnswerError, Code, wrong_field
from marketprism_application.contracts.questions import (
    EncodedAnswer,
    LatestBars,
    Question,
    check_answer,
    decode_answer,
    encode_question,
)
from marketprism_application.errors import ApplicationError
from marketprism_sdk.errors import DeadlineExceeded, NoResponders, NotConnected, RemoteError
from marketprism_sdk.lazy import loaded
from marketprism_sdk.messaging import Balancer, Discovery, InstanceRecord, LeaderClient, RpcClient
from marketprism_sdk.observability import Metrics
from marketprism_sdk.resilience import Bulkhead, CircuitBreaker
from marketprism_services.settings.api import BackendSettings

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


class AnswerFailed(ApplicationError):
    """A backend answered that it cannot answer; the code is its own."""

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(message, retryable=retryable)
        self.code = code


class Backend:
    """The instances of one service. Outliers are left out, slow reads are put to a second instance, and when none
    answers nothing is asked for a moment: whoever waits is told so at once. `label` is its name in metrics."""

    def __init__(
        self,
        service: str,
        calls: RpcClient,
        discovery: Discovery,
        metrics: Metrics,
        settings: BackendSettings,
        *,
        label: str = "",
    ) -> None:
        label = label or service
        self._settings = settings
        self._balancer = Balancer(
            calls,
            discovery,
            service,
            strategy="least-loaded" if settings.least_loaded else "round-robin",
            on_eject=lambda _i, _s: metrics.count("backend_ejections_total", service=label),
        )
        self._breaker = CircuitBreaker(
            failures=settings.breaker_failures,
            rest_s=settings.breaker_rest_s,
            counts=_is_away,
            on_change=lambda state: metrics.count("backend_breaker_changes_total", service=label, state=state),
        )
        self._room = Bulkhead(settings.at_once, settings.waiting)
        self._bulk = Bulkhead(max(1, settings.at_once // 2), settings.waiting)
        metrics.watch("backend_hedged_total", lambda: float(self.hedged), service=label)

    @property
    def state(self) -> str:
        """closed, half-open or open: whether anything is asked."""
        return self._breaker.state

    @property
    def hedged(self) -> int:
        """Reads that were put to a second instance."""
        return self._balancer.hedged

    async def call_raw(
        self,
        method: str,
        data: bytes,
        *,
        bulk: bool = False,
        idempotent: bool = True,
        timeout_s: float | None = None,
        fits: Callable[[InstanceRecord], bool] = lambda _: True,
    ) -> bytes:
        """Bytes in, bytes out, of an instance that `fits`; what may not be repeated is not `idempotent`.

        Raises:
            CircuitOpen: none has answered of late. BulkheadFull: too many ask at once.
            What the backend raised; NoResponders, DeadlineExceeded, NotConnected.
        """
        settings = self._settings
        return await self._guarded(
            lambda: self._balancer.call_raw(
                method,
                data,
                timeout_s=min(settings.timeout_s, timeout_s or settings.timeout_s),
                hedge_s=(settings.hedge_s or None) if idempotent else None,
                idempotent=idempotent,
                fits=fits,
            ),
            bulk=bulk,
        )

    async def call_leader(
        self, method: str, data: bytes, leader: LeaderClient, *, idempotent: bool, timeout_s: float
    ) -> bytes:
        """Bytes in, bytes out, of whoever leads; raises as `call_raw`, and NotActive: nobody leads."""
        bound_s = min(self._settings.timeout_s, timeout_s)
        return await self._guarded(lambda: leader.call_raw(method, data, timeout_s=bound_s, idempotent=idempotent))

    async def call(self, method: str, request: object, read: Callable[[object], T]) -> T:
        """A value in, and out what `read` makes of the reply.

        Raises:
            RemoteError: MALFORMED_REPLY, `read` says that it is none (msgspec.ValidationError). What `call_raw` raises.
        """
        settings = self._settings
        reply = await self._guarded(
            lambda: self._balancer.call(method, request, timeout_s=settings.timeout_s, hedge_s=settings.hedge_s or None)
        )
        try:
            return read(reply)
        except msgspec.ValidationError as error:
            raise RemoteError(Code.MALFORMED_REPLY, f"{method}: {wrong_field(error, 'reply')}") from error

    async def _guarded(self, ask: Callable[[], Awaitable[T]], *, bulk: bool = False) -> T:
        async def guarded() -> T:
            return await self._breaker.execute(ask)

        if bulk:
            return await self._bulk.execute(lambda: self._room.execute(guarded))
        return await self._room.execute(guarded)


def _is_away(error: Exception) -> bool:
    """Whether an error speaks of the backend and not of the question."""
    return isinstance(error, NoResponders | DeadlineExceeded | NotConnected)


class QueryBackend:
    """Questions about stored data."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    async def ask(self, question: Question, *, bulk: bool = False) -> pa.Table:
        """The answer.

        Raises:
            AnswerFailed: the question is wrong, or cannot be answered now. What `Backend.call_raw` raises.
        """
        await loaded("pyarrow")
        return decode_answer(await self.ask_raw(encode_question(question), bulk=bulk))

    async def ask_raw(self, question: bytes, *, bulk: bool = False) -> bytes:
        """The answer as it came, an Arrow stream; raises as `ask`."""
        data = await self.backend.call_raw("arrow", question, bulk=bulk)
        try:
            check_answer(data)
        except AnswerError as error:
            failure = error.failure
            raise AnswerFailed(failure.code, failure.message, retryable=failure.retryable) from error
        return data

    async def ask_encoded(self, question: Question) -> EncodedAnswer:
        """The answer with nothing but its schema read, for who hands it on as it is; raises as `ask`."""
        await loaded("pyarrow")
        return EncodedAnswer.of(await self.ask_raw(encode_question(question)))

    async def ask_bulk(self, question: Question) -> pa.Table:
        """The answer to one of many questions that make one document; raises as `ask`."""
        return await self.ask(question, bulk=True)

    async def latest_tick(self, symbol: str) -> bytes | None:
        """The newest tick's message, None where there is none; raises as `Backend.call`."""
        return await self.backend.call("latest_tick", symbol, lambda reply: msgspec.convert(reply, bytes | None))

    async def latest_bars(self, asked: LatestBars) -> list[bytes]:
        """Messages of an instrument's newest bar at each venue; raises as `Backend.call`."""
        return await self.backend.call("latest_bars", asked, lambda reply: msgspec.convert(reply, list[bytes]))

    async def orderbook(self, asked: BookRequest) -> BookView:
        """The book as the gateway that keeps it has it; raises as `Backend.call`."""
        return await self.backend.call("orderbook", asked, lambda reply: msgspec.convert(reply, BookView))
