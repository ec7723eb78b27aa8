"""What the API says of itself: its list of requests, and its OpenAPI document."""

from __future__ import annotations

from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, count_of, failed
from marketprism_application.errors import QueryError
from marketprism_sdk.lazy import loaded
from marketprism_services.api.endpoint import Endpoint
from marketprism_services.api.read.parameters import Parameters


class DocumentsApi:
    """Anybody may read these: they hold nothing but the product's own text."""

    def __init__(self, version: str) -> None:
        self._version = version

    def endpoints(self) -> list[Endpoint]:
        """The index and the documents."""
        return [
            Endpoint("GET", "/api/v1", self._index, None),
            Endpoint("GET", "/api/v1/openapi.json", self._openapi, None),
        ]

    async def _index(self, request: web.Request) -> web.Response:
        stamp = Stamp.of(request)
        try:
            Parameters.of(request)
            await loaded("marketprism_services.api.read.openapi")  # loads pyarrow
            from marketprism_services.api.read.openapi import operations  # noqa: PLC0415 (loads pyarrow)

            found = [{"path": each.path, "summary": each.summary} for each in operations()]
        except QueryError as error:
            return failed(request, error, stamp)
        return answered(found, count_of(len(found), "request"), stamp)

    async def _openapi(self, request: web.Request) -> web.Response:
        try:
            Parameters.of(request)
        except QueryError as error:
            return failed(request, error, Stamp.of(request))
        await loaded("marketprism_services.api.read.openapi")  # loads pyarrow
        from marketprism_services.api.read.openapi import read_api_document  # noqa: PLC0415 (loads pyarrow)

        return web.json_response(read_api_document(self._version))
