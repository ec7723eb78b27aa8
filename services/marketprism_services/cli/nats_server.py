"""`marketprism nats`: who may do what on a NATS server of one's own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from marketprism_adapters.nats.accounts import passwords_in
from marketprism_adapters.nats.disk_probe import DiskProbe
from marketprism_adapters.nats.guarded_server import FORWARDED, GuardedServer
from marketprism_adapters.nats.local_server import server_binary
from marketprism_adapters.nats.peer_watch import Place
from marketprism_sdk.errors import ConfigurationError, InvalidSetting
from marketprism_sdk.observability import logs
from marketprism_sdk.private_files import private_folder, write_private
from marketprism_services.cli.options import out
from marketprism_services.platform import nats_users
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.nats_outsiders import outsiders

CONFIG = "accounts.conf"
USERS = "users"

nats_server = typer.Typer(
    help="The NATS server: users and their rights, and one that watches its disk.", no_args_is_help=True
)


@nats_server.command()
def accounts(
    folder: Annotated[Path, typer.Argument(help="Folder for the configuration and the passwords.")],
    client: Annotated[
        list[str] | None, typer.Option("--client", help="A client with an account of its own; may be repeated.")
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option("--site", help="A site that a leaf node joins; may be repeated.")
    ] = None,
    nameless: Annotated[
        bool, typer.Option("--nameless/--no-nameless", help="Who shows no credentials may listen and ask, or nothing.")
    ] = False,
    renew: Annotated[
        list[str] | None, typer.Option("--renew", help="A user that gets a new password; may be repeated.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="A client or a site that is to go; may be repeated.")
    ] = None,
) -> None:
    """Write users with the rights that the code of each service needs, to be included by a server's configuration.

    Passwords, clients and sites that are in the folder stay, so that it can be written again for a new version or
    another client.
    """
    try:
        known = outsiders(folder, tuple(client or ()), tuple(site or ()), tuple(without or ()))
        found = nats_users.accounts(known.clients, nameless=nameless, sites=known.sites)
    except InvalidSetting as error:
        raise Stop(Exit.USAGE, f"--{error}") from error
    except ConfigurationError as error:
        raise Stop(Exit.USAGE, str(error)) from error
    except OSError as error:
        raise Stop(Exit.USAGE, f"folder: expected one that can be read, was {folder}: {error.strerror}") from error
    for name in renew or ():
        if name not in found.names:
            raise Stop(Exit.USAGE, f"--renew: expected one of {', '.join(found.names)}, was {name[:80]!r}")
    passwords = passwords_in(folder / USERS, found.names, frozenset(renew or ()))
    try:
        private_folder(folder)
        write_private(folder / CONFIG, found.config(passwords))
        known.save(folder)
    except OSError as error:
        raise Stop(Exit.USAGE, f"folder: expected one that can be written, was {folder}: {error.strerror}") from error
    out.print(f"include {folder / CONFIG} in the configuration of the server", highlight=False, markup=False)
    out.print(f"services log in with [nats] users = {folder / USERS}", highlight=False, markup=False)


@nats_server.command()
def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="The configuration of nats-server.", exists=True)],
    store: Annotated[Path, typer.Option("--store", help="Its store_dir, whose disk is watched.")],
    listen: Annotated[str, typer.Option("--listen", help="host:port that tells the others how server and disk are.")],
    peer: Annotated[
        list[str], typer.Option("--peer", help="Where another server of the cluster tells that, host:port; repeated.")
    ],
    stall_s: Annotated[
        float,
        typer.Option("--stall", min=1.0, max=60.0, help="Seconds without a quick write after which it ends."),
    ] = 5.0,
    calm_s: Annotated[
        float, typer.Option("--calm", min=1.0, max=600.0, help="Seconds of quick writes before it starts again.")
    ] = 10.0,
) -> None:
    """Run nats-server, one of a cluster, and end it while its disk is slow, so that the others lead its streams.

    It ends only while every peer is up and its disk is quick, and starts again when its own is well. It ends too while
    this machine reaches none of the peers, so that it does not disturb them when it is back. Signals are for the
    server.
    """
    here = _place("--listen", listen)
    others = [_place("--peer", each) for each in peer]
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"--store: expected a folder that can be written, was {store}: {error.strerror}"
        raise Stop(Exit.USAGE, text) from error
    logs.configure(service="nats-server")
    command = [server_binary(), "-c", str(config)]
    raise typer.Exit(asyncio.run(_served(command, DiskProbe(store), here, others, stall_s, calm_s)))


def _place(option: str, text: str) -> Place:
    try:
        return Place.of(text)
    except ValueError as error:
        raise Stop(Exit.USAGE, f"{option}: {error}") from error


async def _served(
    command: list[str], probe: DiskProbe, listen: Place, others: list[Place], stall_s: float, calm_s: float
) -> int:
    server = GuardedServer(command, probe, listen, others, stall_s=stall_s, calm_s=calm_s)
    for number in FORWARDED:
        asyncio.get_running_loop().add_signal_handler(number, server.forward, number)
    try:
        return await server.run()
    except OSError as error:
        text = f"--listen: expected an address of this machine that is free, was {listen}: {error.strerror}"
        raise Stop(Exit.USAGE, text) from error


__all__ = ["nats_server"]
