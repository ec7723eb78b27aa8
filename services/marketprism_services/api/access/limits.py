"""What each caller may ask for, by its class: so many requests a second and at a time."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from marketprism_adapters.http.caller_limits import TooMany
from marketprism_application.access.addresses import place_of
from marketprism_application.access.gcra import Allowance, Gcra, Rate
from marketprism_application.access.limits import ANONYMOUS, LIMITS
from marketprism_application.access.principal import Principal
from marketprism_sdk.resilience import Bulkhead, BulkheadFull
from marketprism_services.api.caller_address import address_of
from marketprism_services.api.row_counts import rows_left
from marketprism_services.settings.api import ApiSettings

T = TypeVar("T")
ALLOWANCE = web.RequestKey("allowance", Allowance)
_KNOWN = 10_000


class CallerLimits:
    """A caller is known by what it has shown to be, or by its address: what it says of itself, anybody may say.

    Keys have limits of their own. Of several instances each grants its part; `instances` says how many there are.
    """

    def __init__(self, settings: ApiSettings, instances: Callable[[], int]) -> None:
        self._settings = settings
        self._instances = instances
        self._known: OrderedDict[str, tuple[Gcra, Bulkhead]] = OrderedDict()

    def follow(self, settings: ApiSettings) -> None:
        """Grant by other settings from now on; how many at a time holds for callers that come newly."""
        self._settings = settings

    async def serve(
        self, request: web.Request, who: Principal | None, call: Callable[[], Awaitable[T]], weight: int = 1
    ) -> T:
        """One request of a caller, which counts as so many.

        Raises:
            TooMany: more at a time, or in a second, than one caller may ask.
        """
        room = self.take(request, who, weight)
        try:
            return await room.execute(call)
        except BulkheadFull as error:
            concurrent = self._limits_of(who)[1]
            raise TooMany(f"expected at most {concurrent} questions at a time of one caller", 1.0) from error

    def take(self, request: web.Request, who: Principal | None, weight: int = 1) -> Bulkhead:
        """Count a request; the room that its caller has at a time. Whoever was not let in counts by its address.

        Raises:
            TooMany: more in a second than one caller may ask.
        """
        rate, concurrent = self._limits_of(who)
        caller = (
            place_of(address_of(request))
            if who is None or who.is_local
            else f"{who.id} {who.credential.partition(':')[0]}"
        )
        limit, room = self._of(f"{caller} {'anonymous' if who is None else who.limits}", rate, concurrent)
        allowance = limit.take(time.monotonic(), weight)
        request[ALLOWANCE] = allowance
        if not allowance.allowed:
            text = f"expected at most {rate.per_second:g} questions a second of one caller"
            raise TooMany(text, allowance.retry_after_s)
        return room

    def _limits_of(self, who: Principal | None) -> tuple[Rate, int]:
        settings = self._settings
        if settings.auth != "on" and (who is None or who.is_local):
            return Rate(settings.per_second, max(1.0, settings.per_second)), settings.concurrent
        found = ANONYMOUS if who is None else LIMITS.get(who.limits, ANONYMOUS)
        return found.requests.share(self._instances()), found.concurrent

    def _of(self, caller: str, rate: Rate, concurrent: int) -> tuple[Gcra, Bulkhead]:
        found = self._known.get(caller)
        if found is None:
            found = self._known[caller] = (Gcra(rate), Bulkhead(concurrent, 0))
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        found[0].rate = rate
        self._known.move_to_end(caller)
        return found


def name_limits(request: web.Request, response: web.StreamResponse) -> None:
    """The headers that say what is left (`RateLimit`, as the IETF's draft has them)."""
    allowance = request.get(ALLOWANCE)
    if allowance is None:
        return
    policies = [f'"req";q={allowance.limit}']
    left = [f'"req";r={allowance.remaining};t={math.ceil(allowance.reset_s)}']
    if (rows := rows_left(request)) is not None:
        policies.append(rows[0])
        left.append(rows[1])
    response.headers["RateLimit-Policy"] = ", ".join(policies)
    response.headers["RateLimit"] = ", ".join(left)
