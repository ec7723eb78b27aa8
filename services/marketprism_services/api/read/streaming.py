"""Answers of any size: `GET /api/v1/<kind>/<symbol>/stream`, page after page, as fast as the reader takes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog
from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, failed
from marketprism_application.access.refusals import QuotaSpent
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.kinds import BAR, PATHS, DataKind
from marketprism_application.contracts.questions import MAX_LIMIT, Records, next_of
from marketprism_application.contracts.tiers import tiers_of, with_tiers
from marketprism_application.errors import QueryError
from marketprism_sdk.observability import Metrics
from marketprism_services.api.computing import computed
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.api.read.entitled import check_named, entitled
from marketprism_services.api.read.parameters import load_zone
from marketprism_services.api.read.rendering import in_form, tier_headers
from marketprism_services.api.read.requests import StreamParameters, stream_parameters
from marketprism_services.api.read.routes import Ask, page_of
from marketprism_services.api.read.stream_forms import CONTENT_TYPES, form_of
from marketprism_services.api.row_counts import check_rows, take_rows
from marketprism_services.settings.api import ApiSettings

if TYPE_CHECKING:
    import pyarrow as pa

log = structlog.get_logger()

STREAMED = tuple(path for path, kind in PATHS.items() if kind.streamed)
Compress = Callable[[web.Request, web.StreamResponse], None]
_PAGE = min(10_000, MAX_LIMIT)  # a page is one answer


class StreamTooLong(QueryError):
    """There are more rows than a stream may have, and the caller did not say how many it wants."""


class StreamApi:
    """A page is asked for when the one before is with the reader, so a slow one costs a page of memory.

    A reader who takes nothing for `stall_s` is cut off. An answer that cannot be finished ends without its last chunk,
    which an HTTP client reports as an incomplete read: a short answer never looks like a whole one.
    """

    def __init__(
        self,
        ask: Ask,
        metrics: Metrics,
        intervals: tuple[str, ...],
        limits: ApiSettings,
        compress: Compress = lambda _, __: None,
        page_rows: int = _PAGE,
    ) -> None:
        self._ask = ask
        self._intervals = intervals
        self._metrics = metrics
        metrics.begin("streamed_rows_total", "streams_cut_total", "streams_failed_total")
        self._most_rows = limits.stream_rows
        self._stall_s = limits.stall_s
        self._compress = compress
        self._page_rows = page_rows

    def endpoints(self) -> list[Endpoint]:
        """Streamed answers, one row for all kinds that have them."""
        path = f"/api/v1/{{kind:{'|'.join(STREAMED)}}}/{{symbol}}/stream"
        return [Endpoint("GET", path, self._stream, Scope.EXPORT, weight=10, bulk=True)]

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        stamp = Stamp.of(request)
        try:
            return await self._serve(request, stamp)
        except Exception as error:  # noqa: BLE001 (turned into an answer, or raised again)
            return failed(request, error, stamp)

    async def _serve(self, request: web.Request, stamp: Stamp) -> web.StreamResponse:
        await load_zone(request)
        if "last" in request.query:
            raise QueryError("last: expected none for a stream, which is oldest first")
        asked: StreamParameters = stream_parameters(path := request.match_info["kind"]).of(
            request, most=self._most_rows
        )
        kind, interval = PATHS[path], getattr(asked, "interval", None)
        if kind is BAR and interval is not None and interval not in self._intervals:
            raise QueryError(
                f"interval: expected one of {', '.join(self._intervals)} for a stream, was {interval[:80]!r}"
            )
        check_named(principal_of(request), asked.symbol, kind)
        # The limit is the stream's, not a page's.
        pages = self._pages(request, kind, asked, page_of(asked, kind, asked.symbol, self._page_rows))
        first = await anext(pages)  # a question that cannot be answered is answered as such
        headers = {"Content-Type": CONTENT_TYPES[asked.format], **tier_headers(first)}
        response = web.StreamResponse(headers=headers)
        self._compress(request, response)
        await response.prepare(request)
        sent = 0
        try:
            form = form_of(asked.format, stamp)
            await self._send(response, await computed(partial(form.part, bare(first))))
            sent += first.num_rows
            async for page in pages:
                await self._send(response, await computed(partial(form.part, bare(page))))
                sent += page.num_rows
            await self._send(response, await computed(form.end))
            await response.write_eof()
        except (ConnectionError, TimeoutError) as error:
            self._metrics.count("streams_cut_total")
            log.warning("answer.truncated", path=request.path, rows=sent, error=repr(error))
            _abort(request)
        except (StreamTooLong, QuotaSpent) as error:
            log.warning("answer.truncated", path=request.path, rows=sent, error=str(error))
            _abort(request)
        except Exception:
            self._metrics.count("streams_failed_total")
            _abort(request)
            raise
        self._metrics.count("streamed_rows_total", sent)
        return response

    async def _send(self, response: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(self._stall_s):
            await response.write(data)

    async def _pages(
        self, request: web.Request, kind: DataKind, asked: StreamParameters, question: Records
    ) -> AsyncIterator[pa.Table]:
        """Page after page, up to the caller's own limit.

        Raises:
            StreamTooLong: without one, where there are more rows than a stream may have.
            QuotaSpent: the caller has been answered all rows of today.
        """
        who = principal_of(request)
        left = asked.limit or self._most_rows
        while True:
            check_rows(request)
            found = await self._ask(msgspec.structs.replace(question, limit=min(self._page_rows, left)))
            left -= found.num_rows
            key = next_of(found)
            if key is not None and left <= 0 and asked.limit is None:
                self._metrics.count("streams_cut_total")
                raise StreamTooLong(
                    f"limit: expected one, or a shorter range: there are more than {self._most_rows} rows, as many as "
                    "a stream may have"
                )
            tiers, found = tiers_of(found), bare(entitled(found, who, kind))
            take_rows(request, found.num_rows)
            yield with_tiers(await computed(partial(in_form, found, asked, asked.format)), tiers)
            if key is None or left <= 0:
                return
            question = msgspec.structs.replace(question, after=key)


def bare(page: pa.Table) -> pa.Table:
    """The page without what its schema says of it."""
    return page.replace_schema_metadata(None)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
