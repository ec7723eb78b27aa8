"""Commands of operators to a gateway: each becomes an order that whoever leads follows, now or after a takeover."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from marketprism_application.gateway.orders import SubscriptionOrder, apply, require_group
from marketprism_domain.commands import (
    ConnectToMarketSource,
    DisconnectFromMarketSource,
    GatewayCommand,
    InitializeGateway,
    SubscribeAllInstruments,
    SubscribeInstrument,
    UpdateSubscriptionList,
    authorize,
)
from marketprism_domain.errors import CommandRefused
from marketprism_sdk.errors import CommandRejected
from marketprism_sdk.messaging import Command
from marketprism_sdk.service import command


def gateway_named(body: Any) -> str | None:
    """The group of gateways that a command's body names, None when it names none."""
    named = body.get("gateway") if isinstance(body, dict) else None
    return str(named) if named else None


class OperatorCommands:
    """Handlers of the commands to the gateways of `group`.

    `current` is the order that holds, `store` writes the next one; `can_subscribe` says whether the source takes other
    instruments than those it has.
    """

    def __init__(
        self,
        group: str,
        current: Callable[[], SubscriptionOrder],
        store: Callable[[SubscriptionOrder], Awaitable[object]],
        *,
        can_subscribe: bool,
    ) -> None:
        self._group = group
        self._current = current
        self._store = store
        self._can_subscribe = can_subscribe

    async def _follow(self, order: GatewayCommand, given: Command) -> None:
        try:
            allowed = authorize(order, given.issuer)
            require_group(allowed, self._group)
            follows = apply(allowed, self._current())
            if follows.instruments is not None and not self._can_subscribe:
                raise CommandRefused(
                    f"command {given.name}: expected a source that can subscribe, this one delivers what it has"
                )
        except CommandRefused as error:
            raise CommandRejected(str(error)) from error
        await self._store(follows)

    @command("InitializeGateway")
    async def initialize(self, order: InitializeGateway, given: Command) -> None:
        """As the settings and the calendar say, whatever was ordered before."""
        await self._follow(order, given)

    @command("ConnectToMarketSource")
    async def connect_to_source(self, order: ConnectToMarketSource, given: Command) -> None:
        """Connect now and stay connected."""
        await self._follow(order, given)

    @command("DisconnectFromMarketSource")
    async def disconnect_from_source(self, order: DisconnectFromMarketSource, given: Command) -> None:
        """Log out and stay away."""
        await self._follow(order, given)

    @command("SubscribeInstrument")
    async def subscribe_instrument(self, order: SubscribeInstrument, given: Command) -> None:
        """Subscribe one more instrument."""
        await self._follow(order, given)

    @command("SubscribeAllInstruments")
    async def subscribe_all(self, order: SubscribeAllInstruments, given: Command) -> None:
        """Everything the source lists."""
        await self._follow(order, given)

    @command("UpdateSubscriptionList")
    async def update_subscriptions(self, order: UpdateSubscriptionList, given: Command) -> None:
        """These instruments and no others."""
        await self._follow(order, given)


__all__ = ["OperatorCommands", "gateway_named"]
