"""Imports and exports as the service is asked for them, over HTTP and NATS."""

from __future__ import annotations

from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.data_jobs import ExportRequest, ImportRequest, JobShown
from marketprism_sdk.messaging import Caller
from marketprism_sdk.service import http, rpc
from marketprism_services.data.desk import DataDesk
from marketprism_services.data.files import FilePlaces
from marketprism_services.data.operations import who_asks


class FileOperations:
    """Answers of every instance: a job, once its file or folder was looked at."""

    def __init__(self, desk: DataDesk, places: FilePlaces) -> None:
        self._desk, self._places = desk, places

    @rpc("imports")
    @http("POST", "/imports", scope=Scope.OPERATE, weight=10, status=202)
    async def imports(self, asked: ImportRequest, caller: Caller | None = None) -> JobShown:
        """Store the rows of a file of the service's own machine."""
        await self._places.file(asked)
        return await self._desk.begin(asked, who_asks(caller))

    @rpc("exports")
    @http("POST", "/exports", scope=Scope.OPERATE, weight=10, status=202)
    async def exports(self, asked: ExportRequest, caller: Caller | None = None) -> JobShown:
        """Write stored rows as files on the service's own machine."""
        await self._places.folder(asked)
        return await self._desk.begin(asked, who_asks(caller))


__all__ = ["FileOperations"]
