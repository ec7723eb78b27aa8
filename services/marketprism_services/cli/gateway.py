"""`marketprism gateway`: how gateways are, and what operators order of them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Annotated, NamedTuple

import typer

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.leader_watch import leaders_of
from marketprism_sdk.errors import InvalidSubject, SdkError, StreamMissing, reason_of
from marketprism_sdk.messaging import REGISTRY, Discovery, InstanceRecord, dead_letters, send_command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.cli.options import DataDir, NatsUrl, connected, err, nats_of, out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.cli.words import count_of
from marketprism_services.monitor.overview import overview
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.nats_place import NatsPlace

_STATUS = "status"
_ORDERS = {
    "connect": "ConnectToMarketSource",
    "disconnect": "DisconnectFromMarketSource",
    "subscribe": "UpdateSubscriptionList",
    "auto": "InitializeGateway",
}
DONE = {
    "connect": "gateway {group} is to be connected, whatever the calendar says",
    "disconnect": "gateway {group} is to be logged out, until `gateway connect` or `gateway auto`",
    "subscribe": "gateway {group} is to read {symbols}",
    "auto": "gateway {group} follows the settings and the calendar again",
}
_ANSWER_S, _LOOK_S = 15.0, 0.1


class _Answer(NamedTuple):
    """Who did it; why it was refused, where it was."""

    leader: str = ""
    refused: str = ""


def gateway(
    order: Annotated[str, typer.Argument(help=f"One of {_STATUS}, {', '.join(_ORDERS)}.")],
    symbols: Annotated[list[str] | None, typer.Argument(help="With subscribe: names, or patterns like rb*.")] = None,
    group: Annotated[str, typer.Option(help="The gateway: ctp, sopt, a market, or default.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="With status: print one JSON object.")] = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Show the state of gateways, or give one an order, which holds until the next one, whichever instance leads.

    `connect` and `disconnect` overrule the trading calendar, `subscribe` the settings; `auto` returns to both.
    Without --group it is the one gateway that runs. Waits for the answer and names the instance that gave it.
    """
    if order == _STATUS:
        _show_status(nats_of(data_dir, nats_url), group, as_json=as_json)
        return
    command = _ORDERS.get(order)
    if command is None:
        raise Stop(Exit.USAGE, f"order: expected one of {_STATUS}, {', '.join(_ORDERS)}, was {order!r}")
    if (order == "subscribe") != bool(symbols):
        raise Stop(Exit.USAGE, "symbols: expected names or patterns with subscribe, and none with another order")

    async def give(connection: NatsConnection) -> tuple[str, _Answer]:
        meant = _meant(group, [record.group for record in await _running(connection)])
        body: dict[str, object] = {"gateway": meant, **({"instruments": symbols} if symbols else {})}
        return meant, await _given(connection, command, body, meant)

    try:
        meant, answer = connected(nats_of(data_dir, nats_url), give)
    except InvalidSubject as error:
        raise Stop(Exit.USAGE, str(error)) from error
    except SdkError as error:
        raise Stop(Exit.NATS, reason_of(error)) from error
    if answer.refused:
        raise Stop(Exit.FAILED, f"gateway {meant} refused it: {answer.refused}")
    done = DONE[order].format(group=meant, symbols=", ".join(symbols or ()))
    out.print(f"{done}; taken by {answer.leader}", highlight=False, markup=False, soft_wrap=True)


async def _running(connection: NatsConnection) -> list[InstanceRecord]:
    discovery = Discovery(NatsKeyValue.existing(connection, REGISTRY))
    await discovery.refresh()
    return [record for record in discovery.instances() if record.service == "gateway"]


def _meant(group: str, running: list[str]) -> str:
    """The group that is meant.

    Raises:
        Stop: exit code 1, no gateway of that group runs; 2, several run and none is named.
    """
    there = sorted(set(running))
    names = ", ".join(there)
    if not there:
        raise Stop(
            Exit.FAILED, "no gateway runs here; `marketprism up --source …` or `marketprism run gateway` starts one"
        )
    if group:
        if group not in there:
            raise Stop(Exit.FAILED, f"--group: expected a gateway that runs ({names}), was {group}")
        return group
    if len(there) > 1:
        raise Stop(Exit.USAGE, f"--group: expected one of the gateways that run ({names}), was none")
    return there[0]


async def _given(connection: NatsConnection, command: str, body: dict[str, object], group: str) -> _Answer:
    """Send an order and wait until it is taken or refused.

    Raises:
        Stop: exit code 1, nobody took it in time. StreamError, NotConnected: it could not be sent.
    """
    orders = NatsKeyValue(connection, streams.GATEWAY_ORDERS)
    before = await _revision(orders, group)
    try:
        key = await send_command(connection, "gateway", command, body, issuer="operator", group=group)
    except StreamMissing as error:
        raise Stop(Exit.FAILED, "gateway: expected one that takes orders, none has run here") from error
    end = time.monotonic() + _ANSWER_S
    while time.monotonic() < end:
        if await _revision(orders, group) > before:
            leader = (await leaders_of(connection, ())).get(f"gateway.{group}")
            return _Answer(leader.holder if leader is not None else "the gateway that leads")
        for _, letter in await dead_letters(connection):
            if letter.command is not None and letter.command.key == key:
                return _Answer(refused=letter.reason.replace(f"command {command}: ", ""))
        await asyncio.sleep(_LOOK_S)
    raise Stop(
        Exit.FAILED,
        f"gateway {group} has not answered within {_ANSWER_S:g} s; the order waits for it, `marketprism status` "
        "shows whether it runs",
    )


async def _revision(orders: NatsKeyValue, group: str) -> int:
    entry = await orders.get(group)
    return entry.revision if entry is not None else 0


def _show_status(nats: NatsPlace, group: str, *, as_json: bool) -> None:
    seen = connected(nats, overview)
    rows = []
    for record in seen.instances:
        if record.service != "gateway" or (group and record.group != group):
            continue
        leader = seen.leaders.get(f"gateway.{record.group}", {})
        leads = leader.get("holder") == record.instance and leader.get("state") == "held"
        rows.append(
            {
                "group": record.group,
                "role": "leads" if leads else "stands by",
                "state": str(record.metadata.get("connection") or record.status),
                "health": seen.health.get(record.instance, ""),
                "instance": record.instance,
                "trouble": seen.sources.get(record.group, ""),
            }
        )
    if as_json:
        print(json.dumps(rows, indent=1))
    elif rows:
        columns = [name for name in rows[0] if name != "trouble" or any(row["trouble"] for row in rows)]
        show_table(out, rows, columns, Look(count_of(len(rows), "gateway"), last=len(rows), drop=("instance",)))
    if not rows:
        named = f"no gateway {group} runs here" if group else "no gateway runs here"
        err.print(named, highlight=False, markup=False)
    if not rows or any(row["trouble"] for row in rows):
        raise typer.Exit(Exit.FAILED)
