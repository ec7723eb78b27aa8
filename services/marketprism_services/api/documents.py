"""What the API says of itself: its versions, its list of requests, its documents, and the page that shows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, count_of, failed, tag_of
from marketprism_adapters.http.operation import Operation
from marketprism_application.errors import QueryError
from marketprism_sdk.lazy import loaded
from marketprism_services.api.computing import computed
from marketprism_services.api.endpoint import Endpoint, Handler
from marketprism_services.api.pages import PAGES, page_headers
from marketprism_services.api.read.parameters import Parameters
from marketprism_services.api.versions import VERSIONS

_OPENAPI, _ASYNCAPI = "marketprism_services.api.openapi", "marketprism_services.api.asyncapi"


class _Text(NamedTuple):
    """Bytes that are made once, their tag, and how often what they are about had changed when they were begun."""

    body: bytes
    tag: str
    generation: int


class _Document:
    """A text that is made when it is first asked for: once, however many ask meanwhile, and whoever of them goes away.

    `make` is called in a thread, once `module` is loaded.
    """

    def __init__(self, module: str, make: Callable[[], object]) -> None:
        self._module = module
        self._make = make
        self._text: _Text | None = None
        self._task: asyncio.Task[_Text] | None = None
        self._generation = 0

    def renew(self) -> None:
        """It is about something else from now on."""
        self._generation += 1
        self._text = None

    async def text(self) -> _Text:
        """It as it is now, or later. Raises what making it raises."""
        asked = self._generation
        found = self._text
        while found is None or found.generation < asked:
            if self._task is None:
                self._task = asyncio.create_task(self._compute(), name=f"document {self._module}")
            found = await asyncio.shield(self._task)
        return found

    async def _compute(self) -> _Text:
        generation = self._generation
        try:
            await loaded(self._module)  # loads pyarrow
            body, tag = await computed(self._encoded)
            text = _Text(body, tag, generation)
            if generation == self._generation:
                self._text = text
            return text
        finally:
            self._task = None

    def _encoded(self) -> tuple[bytes, str]:
        body = msgspec.json.encode(self._make())
        return body, f'"{tag_of(body)}"'


class DocumentsApi:
    """Anybody may read these: they hold nothing but the product's own text.

    `served` gives the endpoints that the documents are about, `published` what other services have published.
    """

    def __init__(
        self,
        version: str,
        served: Callable[[], Sequence[Endpoint]],
        published: Callable[[], Sequence[Operation]] = tuple,
    ) -> None:
        self._version = version
        self._served = served
        self._published = published
        self._requests = _Document(_OPENAPI, self._openapi)
        self._messages = _Document(_ASYNCAPI, self._asyncapi)

    def renew(self) -> None:
        """Make the document of requests anew: others are published."""
        self._requests.renew()

    def endpoints(self) -> list[Endpoint]:
        """The index, the documents and the page."""
        return [
            Endpoint("GET", "/api", self._versions, None),
            Endpoint("GET", "/api/v1", self._index, None),
            Endpoint("GET", "/api/v1/openapi.json", self._shows(self._requests), None),
            Endpoint("GET", "/api/v1/asyncapi.json", self._shows(self._messages), None),
            *(Endpoint("GET", path, self._page, None) for path in PAGES),
        ]

    async def _versions(self, request: web.Request) -> web.Response:
        stamp = Stamp.of(request)
        try:
            Parameters.of(request)
        except QueryError as error:
            return failed(request, error, stamp)
        return answered([each.as_row() for each in VERSIONS], count_of(len(VERSIONS), "version"), stamp)

    async def _index(self, request: web.Request) -> web.Response:
        stamp = Stamp.of(request)
        try:
            Parameters.of(request)
        except QueryError as error:
            return failed(request, error, stamp)
        await loaded(_OPENAPI)  # loads pyarrow
        from marketprism_services.api.openapi import operations  # noqa: PLC0415 (loads pyarrow)

        found = [
            {"method": each.method, "path": each.path, "summary": each.summary, "scope": each.scope}
            for each in (*operations(self._served()), *self._published())
        ]
        return answered(found, count_of(len(found), "request"), stamp, tagged=True)

    def _shows(self, document: _Document) -> Handler:

        async def handle(request: web.Request) -> web.Response:
            try:
                Parameters.of(request)
            except QueryError as error:
                return failed(request, error, Stamp.of(request))
            text = await document.text()
            return web.Response(body=text.body, content_type="application/json", headers={"ETag": text.tag})

        return handle

    def _openapi(self) -> object:
        from marketprism_services.api.openapi import api_document  # noqa: PLC0415 (loads pyarrow)

        return api_document(self._served(), self._version, self._published())

    def _asyncapi(self) -> object:
        from marketprism_services.api.asyncapi import api_document  # noqa: PLC0415 (loads pyarrow)

        return api_document(self._version)

    async def _page(self, request: web.Request) -> web.Response:
        try:
            Parameters.of(request)
        except QueryError as error:
            return failed(request, error, Stamp.of(request))
        page = PAGES[request.path]
        return web.Response(body=page.body, content_type=page.content_type, charset="utf-8", headers=page_headers(page))
