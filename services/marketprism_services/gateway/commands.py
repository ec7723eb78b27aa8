"""Commands of operators to a gateway: each becomes a wish that whoever leads follows, now or after a takeover."""

from __future__ import annotations

from typing import Any

import msgspec

from marketprism_application.gateway.presence import Wish, wanted_symbol
from marketprism_domain.commands import authorize
from marketprism_domain.errors import CommandRefused, InvalidValue
from marketprism_sdk.errors import CommandRejected
from marketprism_sdk.messaging import Command
from marketprism_sdk.service import command

MOST = 100_000


def group_named(body: Any) -> str | None:
    """The group of gateways that a command's body names, None when it names none."""
    named = body.get("gateway") if isinstance(body, dict) else None
    return str(named) if named else None


def wish_of(name: str, body: Any, group: str, before: Wish) -> tuple[str, Wish]:
    """The gateway that is meant, and what is wanted of it from now on.

    Raises:
        CommandRefused: the body is not what the command needs; the text names the field.
    """
    given = body if isinstance(body, dict) else {}
    target = group_named(body) or group
    if target != group:
        raise CommandRefused(f"command {name}: expected the gateway {group}, was {target!r}")
    if name == "InitializeGateway":
        return group, Wish()
    if name == "ConnectToMarketSource":
        return group, msgspec.structs.replace(before, connected=True)
    if name == "DisconnectFromMarketSource":
        return group, msgspec.structs.replace(before, connected=False)
    if name == "SubscribeAllInstruments":
        return group, msgspec.structs.replace(before, instruments=("*",))
    if name == "SubscribeInstrument":
        if before.instruments is None:
            raise CommandRefused(f"command {name}: expected UpdateSubscriptionList before it, the settings name a list")
        wanted = dict.fromkeys((*before.instruments, _symbol(name, given.get("symbol"))))
        return group, msgspec.structs.replace(before, instruments=tuple(wanted))
    listed = given.get("instruments")
    if not isinstance(listed, list | tuple) or not 0 < len(listed) <= MOST:
        raise CommandRefused(f"command {name}: instruments: expected 1 to {MOST} of them, was {str(listed)[:80]!r}")
    return group, msgspec.structs.replace(before, instruments=tuple(_symbol(name, item) for item in listed))


def _symbol(name: str, text: Any) -> str:
    try:
        return wanted_symbol(str(text or ""))
    except InvalidValue as error:
        raise CommandRefused(f"command {name}: {error}") from error


class OperatorCommands:
    """What a gateway service does with commands; the service says what it has and keeps the wish."""

    def meant_for(self, given: Command) -> str | None:
        """The gateways that a command names; where it names none, who gets it is meant."""
        return group_named(given.body)

    async def keep_wish(self, name: str, body: Any) -> None:
        """Write the wish of a command."""
        raise NotImplementedError

    async def _order(self, given: Command) -> None:
        try:
            authorize(given.name, given.issuer)
            await self.keep_wish(given.name, given.body)
        except CommandRefused as error:
            raise CommandRejected(str(error)) from error

    @command("InitializeGateway")
    async def initialize(self, given: Command) -> None:
        """As the settings and the calendar say, whatever was ordered before."""
        await self._order(given)

    @command("ConnectToMarketSource")
    async def connect_to_source(self, given: Command) -> None:
        """Connect now and stay connected."""
        await self._order(given)

    @command("DisconnectFromMarketSource")
    async def disconnect_from_source(self, given: Command) -> None:
        """Log out and stay away."""
        await self._order(given)

    @command("SubscribeInstrument")
    async def subscribe_instrument(self, given: Command) -> None:
        """One more."""
        await self._order(given)

    @command("SubscribeAllInstruments")
    async def subscribe_all(self, given: Command) -> None:
        """Everything the source lists."""
        await self._order(given)

    @command("UpdateSubscriptionList")
    async def update_subscriptions(self, given: Command) -> None:
        """These and no others."""
        await self._order(given)
