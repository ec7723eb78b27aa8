"""`marketprism nats`: who may do what on a NATS server of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from marketprism_adapters.nats.accounts import passwords_in
from marketprism_sdk.errors import InvalidSetting
from marketprism_sdk.private_files import private_folder, write_private
from marketprism_services.cli.options import out
from marketprism_services.platform import nats_users
from marketprism_services.platform.exits import Exit, Stop

CONFIG = "accounts.conf"
USERS = "users"

nats_server = typer.Typer(help="The NATS server: users and their rights.", no_args_is_help=True)


@nats_server.callback()
def _group() -> None:
    """Keeps `accounts` a subcommand while it is the only one."""


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
) -> None:
    """Write users with the rights that the code of each service needs, to be included by a server's configuration.

    Passwords that are in the folder stay, so that it can be written again for a new version or another client.
    """
    try:
        found = nats_users.accounts(tuple(client or (nats_users.CLIENT,)), nameless=nameless, sites=tuple(site or ()))
    except InvalidSetting as error:
        raise Stop(Exit.USAGE, f"--{error}") from error
    for name in renew or ():
        if name not in found.names:
            raise Stop(Exit.USAGE, f"--renew: expected one of {', '.join(found.names)}, was {name[:80]!r}")
    passwords = passwords_in(folder / USERS, found.names, frozenset(renew or ()))
    try:
        private_folder(folder)
        write_private(folder / CONFIG, found.config(passwords))
    except OSError as error:
        raise Stop(Exit.USAGE, f"folder: expected one that can be written, was {folder}: {error.strerror}") from error
    out.print(f"include {folder / CONFIG} in the configuration of the server", highlight=False, markup=False)
    out.print(f"services log in with [nats] users = {folder / USERS}", highlight=False, markup=False)


__all__ = ["nats_server"]
