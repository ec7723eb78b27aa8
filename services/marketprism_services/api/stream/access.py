"""What a principal sees of the live stream."""

from __future__ import annotations

import time

from marketprism_application.access.entitlements import Entitlement, matches_any
from marketprism_application.access.principal import Principal
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.kinds import BOOK_TOP, EVENT, ORDERBOOK, DataKind
from marketprism_services.api.stream.channel_names import ChannelName
from marketprism_services.api.stream.system_channels import SYSTEM_CHANNELS
from marketprism_services.api.stream.updates import Update

_DAY_NS = 86_400_000_000_000
_BOOKS = (ORDERBOOK.name, BOOK_TOP.name)


class Refused(Exception):
    """A channel that is not for this principal; `code` says in which way."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def check_channel(principal: Principal, name: ChannelName) -> None:
    """Whether a principal may have a channel; what it sees of it is asked message by message.

    Raises:
        Refused: FORBIDDEN (the scope), NOT_ENTITLED (nothing that it names can be seen).
    """
    if name.is_system:
        scope = SYSTEM_CHANNELS[name.text].scope
        if not principal.may(scope):
            raise Refused("FORBIDDEN", f"ch: expected a principal with the scope {scope} for {name.text}")
        return
    if EVENT in name.kinds and not principal.may(Scope.SYSTEM):
        raise Refused("FORBIDDEN", f"ch: expected a principal with the scope {Scope.SYSTEM} for {name.text}")
    if principal.entitlements.is_unbounded:
        return
    granted = [each for each in principal.entitlements.granted if _is_live(each)]
    if not any(_may_cover(each, name, kind) for each in granted for kind in name.kinds):
        raise Refused(
            "NOT_ENTITLED", f"ch: expected an instrument and a kind that you are entitled to, was {name.text}"
        )


def _is_live(entitlement: Entitlement) -> bool:
    return not entitlement.delay_s


def _may_cover(entitlement: Entitlement, name: ChannelName, kind: DataKind) -> bool:
    if kind.name == EVENT.name:
        return True
    return (
        (entitlement.depth is None or kind.name not in _BOOKS)
        and matches_any(kind.name, entitlement.kinds)
        and (name.symbol is None or matches_any(name.symbol, entitlement.symbols))
        and (name.venue is None or matches_any(name.venue, entitlement.venues))
    )


def sees(principal: Principal, update: Update) -> bool:
    """Whether a principal sees a message. What is entitled to later, or to some levels of a book, is not live."""
    venue, symbol, kind = update.instrument()
    if kind == EVENT.name and not symbol:  # of the system, which the scope is about
        return True
    if not principal.sees(venue, symbol, kind):
        return False
    found = principal.entitlements.of(venue, symbol, kind)
    if found is not None and _shows(found, kind, update):
        return True
    others = principal.entitlements.granted
    return any(_shows(each, kind, update) for each in others if each.covers(venue, symbol, kind))


def _shows(entitlement: Entitlement, kind: str, update: Update) -> bool:
    if not _is_live(entitlement) or (entitlement.depth is not None and kind in _BOOKS):
        return False
    days = entitlement.history_days
    return days is None or update.number("ts_event") >= time.time_ns() - days * _DAY_NS
