"""The newest of an instrument: `GET /api/v1/ticks|bars/<symbol>/latest`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec
from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, count_of
from marketprism_application.access.principal import Principal
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import BAR, TICK, DataKind
from marketprism_application.contracts.questions import Latest, LatestBars, Records
from marketprism_application.errors import UnknownSymbolError
from marketprism_application.queries.export import json_of
from marketprism_services.api.endpoint import Endpoint, principal_of
from marketprism_services.api.read.entitled import check_named, entitled
from marketprism_services.api.read.parameters import FormatParameters
from marketprism_services.api.read.rendering import enveloped
from marketprism_services.api.read.requests import LatestBarParameters, LatestTickParameters
from marketprism_services.api.read.routes import Ask
from marketprism_services.api.row_counts import check_rows, take_rows

if TYPE_CHECKING:
    import pyarrow as pa

P = TypeVar("P", bound=FormatParameters)
_MOST_ROWS = 2_000
Found: TypeAlias = "pa.Table | Sequence[Any]"


class NewestApi:
    """`tick` gives the newest tick's message of a symbol, None where there is none, `bars` those of the newest bars."""

    def __init__(
        self,
        ask: Ask,
        bars: Callable[[LatestBars], Awaitable[list[bytes]]],
        tick: Callable[[str], Awaitable[bytes | None]],
    ) -> None:
        self._ask = ask
        self._bars = bars
        self._tick = tick
        self._rows: dict[str, tuple[bytes, msgspec.Raw]] = {}

    def endpoints(self) -> list[Endpoint]:
        """The newest tick and the newest bars."""
        return [
            Endpoint("GET", "/api/v1/ticks/{symbol}/latest", self._latest_tick, Scope.READ),
            Endpoint("GET", "/api/v1/bars/{symbol}/latest", self._latest_bar, Scope.READ),
        ]

    async def _latest_tick(self, request: web.Request) -> web.Response:
        symbol = request.match_info["symbol"]
        known = self._rows.get(symbol)
        if known is not None and not request.query_string and principal_of(request).entitlements.is_unbounded:
            check_rows(request)
            message = await self._tick(symbol)
            if message is not None:
                take_rows(request, 1)
                return answered([self._row(symbol, message)], count_of(1, "row"), Stamp.of(request))

        async def work(asked: LatestTickParameters) -> Found:
            message = await self._tick(asked.symbol)
            if message is not None:
                self._row(asked.symbol, message)
                return [decode(TICK, message)]
            return await self._ask(Latest(TICK.name, (asked.symbol,)))

        return await self._one(request, LatestTickParameters, work, TICK)

    def _row(self, symbol: str, message: bytes) -> msgspec.Raw:
        """A message as JSON, which is made once however often it is asked for."""
        known = self._rows.get(symbol)
        if known is not None and known[0] is message:
            return known[1]
        if len(self._rows) >= _MOST_ROWS:
            self._rows.clear()
        row = msgspec.Raw(msgspec.json.encode(json_of(decode(TICK, message)._asdict())))
        self._rows[symbol] = message, row
        return row

    async def _latest_bar(self, request: web.Request) -> web.Response:
        async def work(asked: LatestBarParameters) -> Found:
            if messages := await self._bars(LatestBars(asked.symbol, asked.interval)):
                return [decode(BAR, each) for each in messages]
            newest = Records(BAR.name, asked.symbol, interval=asked.interval, limit=1, last=True)
            return (await self._ask(newest)).replace_schema_metadata(None)

        return await self._one(request, LatestBarParameters, work, BAR)

    async def _one(
        self, request: web.Request, parameters: type[P], work: Callable[[P], Awaitable[Found]], kind: DataKind
    ) -> web.Response:
        who, symbol = principal_of(request), request.match_info["symbol"]

        async def there(asked: P) -> Found:
            check_named(who, symbol, kind)
            found = _entitled(await work(asked), who, kind)
            if not len(found):
                raise UnknownSymbolError(f"symbol: expected one that is stored, was {symbol!r}")
            return found

        return await enveloped(request, parameters, there, kind)


def _entitled(found: Found, who: Principal, kind: DataKind) -> Found:
    if who.entitlements.is_unbounded:
        return found
    if isinstance(found, Sequence):
        from marketprism_application.queries.arrow_tables import table_of  # noqa: PLC0415 (loads pyarrow)

        found = table_of(kind, found)
    return entitled(found, who, kind)
