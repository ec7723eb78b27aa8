"""Commands about reference data and about gateways: what is listed, which contract leads, what an operator wants."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from marketprism_sdk.errors import InvalidSubject, SdkError, StreamMissing, reason_of
from marketprism_sdk.messaging import send_command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli.options import DataDir, NatsUrl, ask, out, show, url_of
from marketprism_services.platform.exits import Exit, Stop

Form = Annotated[str, typer.Option("--format", help="table, csv or json.")]
_ORDERS = {
    "connect": "ConnectToMarketSource",
    "disconnect": "DisconnectFromMarketSource",
    "subscribe": "UpdateSubscriptionList",
    "auto": "InitializeGateway",
}


def instruments(
    text: Annotated[str, typer.Argument(help="Part of a symbol, product, underlying or name.")] = "",
    kind: Annotated[str, typer.Option("--class", help="future, option, spot or swap.")] = "",
    venue: str = "",
    at: Annotated[str | None, typer.Option(help="As known then: 2025-08-13.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1)] = 100,
    form: Form = "table",
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Contract terms; names, order volumes and all the rest with --format json."""
    columns = (
        "venue",
        "symbol",
        "class_",
        "multiplier",
        "price_tick",
        "underlying",
        "strike",
        "expire_day",
    )
    data = ask(
        url_of(data_dir, nats_url),
        lambda market: market.instruments(text, class_=kind, venue=venue, at=at, limit=limit),
    )
    show(data, form, columns if form == "table" else tuple(data.column_names), "instruments", "no instruments known")


def rolls(product: str, form: Form = "table", data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """When which contract of a product became the main one: by open interest at the day before's end."""
    data = ask(url_of(data_dir, nats_url), lambda market: market.dominant(product))
    columns = ("trading_day", "symbol", "previous", "previous_close", "close")
    show(data, form, columns, f"main contracts of {product}", f"nothing stored of {product}")


def gateway(
    order: Annotated[str, typer.Argument(help=f"One of {', '.join(_ORDERS)}.")],
    symbols: Annotated[list[str] | None, typer.Argument(help="With subscribe: names, or patterns like rb*.")] = None,
    group: Annotated[str, typer.Option(help="Which gateways: ctp, sopt, a market, or default.")] = "ctp",
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Tell a gateway what is wanted of it; it holds for whoever leads, until the next word.

    `connect` and `disconnect` go before the trading calendar, `subscribe` before the settings; `auto` gives both back.
    """
    command = _ORDERS.get(order)
    if command is None:
        raise Stop(Exit.USAGE, f"order: expected one of {', '.join(_ORDERS)}, was {order!r}")
    if (order == "subscribe") != bool(symbols):
        raise Stop(Exit.USAGE, "symbols: expected names or patterns with subscribe, and none with another order")
    body: dict[str, Any] = {"gateway": group, **({"instruments": symbols} if symbols else {})}
    try:
        asyncio.run(_send(url_of(data_dir, nats_url), command, body, group))
    except InvalidSubject as error:
        raise Stop(Exit.USAGE, str(error)) from error
    except SdkError as error:
        raise Stop(Exit.NATS, reason_of(error)) from error
    out.print(f"{command} sent; `marketprism status` shows what it did, `dead-letters` what was refused")


async def _send(url: str, command: str, body: dict[str, Any], group: str) -> None:
    connection = await NatsConnection.open(url, name="cli")
    try:
        await send_command(connection, "gateway", command, body, issuer="operator", group=group)
    except StreamMissing as error:
        raise Stop(Exit.FAILED, "gateway: expected one that takes commands, none has run here") from error
    finally:
        await connection.close()
