"""What of the data a caller may see, as the gateway says it to a service."""

from __future__ import annotations

from collections.abc import Sequence

from marketprism_application.access.entitlements import Entitlement, Entitlements
from marketprism_application.contracts.failures import Code
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import Caller


class Seen:
    """What one caller may see; a service that asks for itself, without a caller, sees all. What may be seen with one of
    the `bounds` only (later, or so many days of the past) is not there: answers here are not cut by time."""

    def __init__(self, caller: Caller | None, bounds: Sequence[str] = ("delay_s", "history_days")) -> None:
        self._all = caller is None or caller.sees_all
        granted = () if caller is None else (each for each in caller.entitlements if not any(map(each.get, bounds)))
        self._granted = Entitlements(
            tuple(
                Entitlement(
                    tuple(_texts(each.get("venues"))),
                    tuple(_texts(each.get("symbols"))),
                    tuple(_texts(each.get("kinds"))),
                )
                for each in granted
            )
        )

    def allows(self, venue: str, symbol: str, kind: str) -> bool:
        """Whether this kind of data of this instrument may be seen."""
        return self._all or self._granted.allows(venue, symbol, kind)

    def check(self, venue: str, symbol: str, kind: str) -> None:
        """Raises RemoteError, NOT_ENTITLED, where it may not."""
        if not self.allows(venue, symbol, kind):
            text = f"{kind} of {venue}.{symbol}: expected an instrument that you may see"
            raise RemoteError(Code.NOT_ENTITLED, text, {"field": "symbol"})


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else []


__all__ = ["Seen"]
