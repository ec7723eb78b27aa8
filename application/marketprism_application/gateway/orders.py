"""What operators have ordered of a gateway, and what each of their commands makes of it."""

from __future__ import annotations

import msgspec

from marketprism_domain.commands import (
    ConnectToMarketSource,
    DisconnectFromMarketSource,
    GatewayCommand,
    InitializeGateway,
    SubscribeAllInstruments,
    SubscribeInstrument,
    UpdateSubscriptionList,
    instrument_pattern,
)
from marketprism_domain.errors import CommandRefused


class SubscriptionOrder(msgspec.Struct, frozen=True):
    """What holds for a group of gateways until it is changed: it outlives processes and takeovers.

    `connected` None leaves it to the calendar, `instruments` None to the settings; instruments are symbols without
    their venue, or patterns over symbols.
    """

    connected: bool | None = None
    instruments: tuple[str, ...] | None = None


def decode_order(value: bytes) -> SubscriptionOrder:
    """An order as `encode_order` writes it.

    Raises:
        msgspec.MsgspecError: it is none. InvalidValue: it names an instrument that no source may be asked for.
    """
    order = msgspec.msgpack.decode(value, type=SubscriptionOrder)
    for text in order.instruments or ():
        instrument_pattern(text)
    return order


def encode_order(order: SubscriptionOrder) -> bytes:
    """An order as it is stored."""
    return msgspec.msgpack.encode(order)


def apply(command: GatewayCommand, order: SubscriptionOrder) -> SubscriptionOrder:
    """What holds after a command, where `order` held before.

    Raises:
        CommandRefused: one instrument more, where it is not known of which others.
    """
    match command:
        case InitializeGateway():
            return SubscriptionOrder()
        case ConnectToMarketSource():
            return msgspec.structs.replace(order, connected=True)
        case DisconnectFromMarketSource():
            return msgspec.structs.replace(order, connected=False)
        case SubscribeAllInstruments():
            return msgspec.structs.replace(order, instruments=("*",))
        case SubscribeInstrument(symbol=symbol):
            if order.instruments is None:
                raise CommandRefused(
                    "command SubscribeInstrument: expected UpdateSubscriptionList before it, the settings name a list"
                )
            more = dict.fromkeys((*order.instruments, instrument_pattern(symbol)))
            return msgspec.structs.replace(order, instruments=tuple(more))
        case UpdateSubscriptionList(instruments=instruments):
            return msgspec.structs.replace(order, instruments=tuple(map(instrument_pattern, instruments)))


def require_group(command: GatewayCommand, group: str) -> None:
    """Nothing, where a command is for the gateways of `group`.

    Raises:
        CommandRefused: it is for another group.
    """
    if command.gateway and command.gateway != group:
        name = type(command).__name__
        raise CommandRefused(f"command {name}: expected the gateway {group}, was {command.gateway!r}")


__all__ = ["SubscriptionOrder", "apply", "decode_order", "encode_order", "require_group"]
