"""`marketprism access user` and `key`: people, service accounts, and their API keys."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from marketprism_adapters.identity.shown_once import new_api_key, new_password
from marketprism_application.contracts.access_records import ApiKey, User
from marketprism_services.cli.access_desk import (
    AccessDesk,
    AsJson,
    Id,
    NewId,
    Symbols,
    Venues,
    at_desk,
    digest_of_password,
    grants_of,
    not_there,
    show_one,
    show_rows,
    words,
)
from marketprism_services.cli.options import DataDir, NatsUrl, out
from marketprism_services.wiring.access_views import view_of_key, view_of_user

user = typer.Typer(help="People and service accounts.", no_args_is_help=True)
key = typer.Typer(help="API keys.", no_args_is_help=True)
Scopes = Annotated[str | None, typer.Option(help="Scopes, like md:read,md:history; without, all of the owner.")]

_USER = ("id", "roles", "disabled", "service", "ts_created")
_KEY = ("id", "owner", "name", "scopes", "ts_expires", "ts_revoked", "ts_used")


@user.command("list")
def list_users(as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Every user with its roles."""

    async def work(desk: AccessDesk) -> list[dict[str, object]]:
        return [view_of_user(each) for each in desk.store.all(User)]

    show_rows(at_desk(data_dir, nats_url, work), _USER, as_json=as_json)


@user.command("show")
def show_user(name: Id, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Everything of one user, as JSON."""

    async def work(desk: AccessDesk) -> dict[str, object]:
        found = desk.store.get(User, name)
        if found is None:
            raise not_there("user", name)
        return view_of_user(found)

    show_one(at_desk(data_dir, nats_url, work))


@user.command("add")
def add_user(
    name: NewId,
    roles: Annotated[str, typer.Option("--role", help="Roles, like quant or viewer,analyst.")] = "viewer",
    service: Annotated[bool, typer.Option("--service", help="A service account: it has keys, no password.")] = False,
    display: Annotated[str, typer.Option(help="The name that people read.")] = "",
    venues: Venues = None,
    symbols: Symbols = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Make a user, and show the one-time password, once."""
    password = "" if service else new_password()

    async def work(desk: AccessDesk) -> dict[str, object]:
        made = User(
            id=name,
            roles=words(roles) or (),
            display=display,
            grants=grants_of(venues, symbols),
            is_service=service,
            must_change=not service,
            password=await digest_of_password(password) if password else "",
        )
        return view_of_user(await desk.users.create(desk.actor, made))

    made = at_desk(data_dir, nats_url, work)
    if as_json:
        print(json.dumps({**made, **({"password": password} if password else {})}, ensure_ascii=False))
        return
    out.print(f"user {name} was made", highlight=False, markup=False)
    if password:
        out.print(f"password, shown once: {password}", highlight=False, markup=False)


@user.command("revoke")
def revoke_user(name: Id, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Take a user out, with all keys and logins."""

    async def work(desk: AccessDesk) -> None:
        await desk.users.remove(desk.actor, name)

    at_desk(data_dir, nats_url, work)
    out.print(f"user {name} was taken out", highlight=False, markup=False)


@key.command("list")
def list_keys(as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Every key, without the key itself."""

    async def work(desk: AccessDesk) -> list[dict[str, object]]:
        return [view_of_key(each) for each in desk.store.all(ApiKey)]

    show_rows(at_desk(data_dir, nats_url, work), _KEY, as_json=as_json)


@key.command("show")
def show_key(name: Id, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Everything of one key but the key itself, as JSON."""

    async def work(desk: AccessDesk) -> dict[str, object]:
        found = desk.store.get(ApiKey, name)
        if found is None:
            raise not_there("key", name)
        return view_of_key(found)

    show_one(at_desk(data_dir, nats_url, work))


@key.command("add")
def add_key(
    owner: Annotated[str, typer.Argument(help="The user or service account whose key it is.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    scopes: Scopes = None,
    venues: Venues = None,
    symbols: Symbols = None,
    days: Annotated[float | None, typer.Option(help="It expires after so many days; without, never.")] = None,
    cidrs: Annotated[str | None, typer.Option("--from", help="Networks it may be used from, like 10.1.0.0/16.")] = None,
    limits: Annotated[str, typer.Option(help="Class of limits, like bulk; without, the owner's.")] = "",
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Make a key, and show it, once."""
    secret = new_api_key()

    async def work(desk: AccessDesk) -> dict[str, object]:
        made = ApiKey(
            id=secret.id,
            owner=owner,
            digest=secret.digest,
            name=name,
            scopes=words(scopes),
            grants=grants_of(venues, symbols),
            cidrs=words(cidrs) or (),
            limits=limits,
            ts_expires=desk.keys.expiry(days),
        )
        return view_of_key(await desk.keys.create(desk.actor, made))

    made = at_desk(data_dir, nats_url, work)
    if as_json:
        print(json.dumps({**made, "key": secret.text}, ensure_ascii=False))
    else:
        out.print(f"key of {owner}, shown once: {secret.text}", highlight=False, markup=False)


@key.command("revoke")
def revoke_key(name: Id, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """End a key: every instance refuses it within a second."""

    async def work(desk: AccessDesk) -> None:
        await desk.keys.revoke(desk.actor, name)

    at_desk(data_dir, nats_url, work)
    out.print(f"key {name} was revoked", highlight=False, markup=False)
