"""`marketprism access role`: roles beside those that come with the product."""

from __future__ import annotations

from typing import Annotated

import typer

from marketprism_application.access.scopes import ROLES
from marketprism_application.contracts.access_records import Role
from marketprism_services.cli.access_desk import (
    AccessDesk,
    AsJson,
    Id,
    NewId,
    Symbols,
    Venues,
    at_desk,
    grants_of,
    not_there,
    show_one,
    show_rows,
    words,
)
from marketprism_services.cli.options import DataDir, NatsUrl, out
from marketprism_services.wiring.access_views import view_of_role

role = typer.Typer(help="Roles: sets of scopes.", no_args_is_help=True)


@role.command("list")
def list_roles(as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Every role with its scopes."""

    async def work(desk: AccessDesk) -> list[dict[str, object]]:
        return [view_of_role(each, is_built_in=each.id in ROLES) for each in desk.roles.all()]

    show_rows(at_desk(data_dir, nats_url, work), ("id", "built_in", "scopes", "description"), as_json=as_json)


@role.command("show")
def show_role(name: Id, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Everything of one role, as JSON."""

    async def work(desk: AccessDesk) -> dict[str, object]:
        found = next((each for each in desk.roles.all() if each.id == name), None)
        if found is None:
            raise not_there("role", name)
        return view_of_role(found, is_built_in=name in ROLES)

    show_one(at_desk(data_dir, nats_url, work))


@role.command("add")
def add_role(
    name: NewId,
    scopes: Annotated[str, typer.Argument(help="Scopes, like md:read,md:history.")],
    venues: Venues = None,
    symbols: Symbols = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Make a role beside those that come with the product."""

    async def work(desk: AccessDesk) -> None:
        grants = grants_of(venues, symbols)
        made = Role(id=name, scopes=words(scopes) or (), grants=grants, description=description)
        await desk.roles.create(desk.actor, made)

    at_desk(data_dir, nats_url, work)
    out.print(f"role {name} was made", highlight=False, markup=False)


@role.command("revoke")
def revoke_role(name: Id, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Take a role out that nobody has."""

    async def work(desk: AccessDesk) -> None:
        await desk.roles.remove(desk.actor, name)

    at_desk(data_dir, nats_url, work)
    out.print(f"role {name} was taken out", highlight=False, markup=False)
