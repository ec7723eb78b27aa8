"""A service of its own process, for what is done to processes: `python program.py <service> <NATS> [settings as JSON]`.

It prints one line of JSON when it answers, and writes its log to standard error as it does anywhere else.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import logs
from marketprism_sdk.service import Service, ServiceSettings
from marketprism_services.api.service import ApiService
from marketprism_services.query.service import QueryService
from marketprism_services.settings.api import ApiSettings

INTERVALS = ("1m",)


def _made(name: str, connection: NatsConnection, given: str) -> Service:
    if name == "query":
        return QueryService(connection, ReadRules(chinese_calendar_of_markets(), INTERVALS))
    settings = ApiSettings.model_validate(json.loads(given))
    return ApiService(connection, INTERVALS, settings, settings=ServiceSettings(http_connections=settings.connections))


async def _main(name: str, url: str, form: str, given: str) -> None:
    logs.configure(level="info", form=form, service=name)
    connection = await NatsConnection.open(url, name=name)
    service = _made(name, connection, given)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    running = asyncio.create_task(service.run(stop))
    while not service.http.ready and not running.done():
        await asyncio.sleep(0.01)
    print(json.dumps({"port": service.http.port, "instance": service.instance}), flush=True)
    await running
    await connection.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:5]))
