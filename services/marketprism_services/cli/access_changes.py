"""`marketprism access user change` and `key change`: what is there made another, for everybody at once."""

from __future__ import annotations

import json
from typing import Annotated

import msgspec
import typer
from msgspec import UNSET, UnsetType

from marketprism_adapters.identity.shown_once import new_password
from marketprism_application.access.keys import KeyChange
from marketprism_application.access.users import UserChange
from marketprism_application.contracts.access_records import Grant
from marketprism_application.contracts.failures import wrong_field
from marketprism_application.errors import QueryError
from marketprism_services.cli.access_desk import (
    AccessDesk,
    AsJson,
    Id,
    Symbols,
    Venues,
    at_desk,
    digest_of_password,
    grants_of,
    words,
)
from marketprism_services.cli.access_people import key, user
from marketprism_services.cli.options import DataDir, NatsUrl, out
from marketprism_services.wiring.access_views import view_of_key, view_of_user

Entitlements = Annotated[
    str | None,
    typer.Option(help="What may be seen, in JSON as the API has it; null is everything."),
]
Limits = Annotated[str | None, typer.Option(help="Class of limits, like bulk; '' is that of the roles or the owner.")]

RowsPerDay = Annotated[int | None, typer.Option(help="Rows of answers a day; 0 is what the class of limits has.")]


@user.command("change")
def change_user(
    name: Id,
    roles: Annotated[str | None, typer.Option("--role", help="Roles in place of those there are.")] = None,
    display: Annotated[str | None, typer.Option(help="The name that people read.")] = None,
    subject: Annotated[
        str | None, typer.Option(help="Issuer, a space and subject at the OpenID provider; '' is none.")
    ] = None,
    venues: Venues = None,
    symbols: Symbols = None,
    entitlements: Entitlements = None,
    limits: Limits = None,
    rows_per_day: RowsPerDay = None,
    disabled: Annotated[bool | None, typer.Option("--disable/--enable", help="Whether it may come in.")] = None,
    password: Annotated[bool, typer.Option("--password", help="Give it a new one-time password.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Change a user; with other rights its logins are over, and its keys have them from now on."""
    shown = new_password() if password else ""

    async def work(desk: AccessDesk) -> dict[str, object]:
        change = UserChange(
            roles=UNSET if roles is None else words(roles) or (),
            display=UNSET if display is None else display,
            subject=UNSET if subject is None else subject,
            grants=_grants(venues, symbols, entitlements),
            limits=UNSET if limits is None else limits,
            rows_per_day=UNSET if rows_per_day is None else rows_per_day,
            is_disabled=UNSET if disabled is None else disabled,
            password=await digest_of_password(shown) if shown else UNSET,
            must_change=True if shown else UNSET,
        )
        _check_changes(change)
        return view_of_user(await desk.users.change(desk.actor, name, change))

    made = at_desk(data_dir, nats_url, work)
    if as_json:
        print(json.dumps({**made, **({"password": shown} if shown else {})}, ensure_ascii=False))
        return
    out.print(f"user {name} was changed", highlight=False, markup=False)
    if shown:
        out.print(f"password, shown once: {shown}", highlight=False, markup=False)


@key.command("change")
def change_key(
    name: Id,
    label: Annotated[str | None, typer.Option("--name", help="What it is for.")] = None,
    scopes: Annotated[str | None, typer.Option(help="Scopes in place of those there are.")] = None,
    all_scopes: Annotated[bool, typer.Option("--all-scopes", help="All scopes of its owner.")] = False,
    venues: Venues = None,
    symbols: Symbols = None,
    entitlements: Entitlements = None,
    days: Annotated[float | None, typer.Option(help="It expires after so many days from now.")] = None,
    never: Annotated[bool, typer.Option("--never", help="It does not expire.")] = False,
    cidrs: Annotated[
        str | None, typer.Option("--from", help="Networks it may be used from, like 10.1.0.0/16; '' is any.")
    ] = None,
    limits: Limits = None,
    rows_per_day: RowsPerDay = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Change a key, which stays the same text; what it opened ends, if its rights are others."""

    async def work(desk: AccessDesk) -> dict[str, object]:
        if (scopes is not None and all_scopes) or (days is not None and never):
            raise QueryError("options: expected --scopes or --all-scopes, and --days or --never, was both")
        change = KeyChange(
            name=UNSET if label is None else label,
            scopes=None if all_scopes else UNSET if scopes is None else words(scopes),
            grants=_grants(venues, symbols, entitlements),
            days=None if never else UNSET if days is None else days,
            cidrs=UNSET if cidrs is None else words(cidrs) or (),
            limits=UNSET if limits is None else limits,
            rows_per_day=UNSET if rows_per_day is None else rows_per_day,
        )
        _check_changes(change)
        return view_of_key(await desk.keys.change(desk.actor, name, change))

    made = at_desk(data_dir, nats_url, work)
    if as_json:
        print(json.dumps(made, ensure_ascii=False))
    else:
        out.print(f"key {name} was changed", highlight=False, markup=False)


def _check_changes(change: UserChange | KeyChange) -> None:
    if all(value is UNSET for value in msgspec.structs.asdict(change).values()):
        raise QueryError("options: expected something to change, was nothing")


def _grants(venues: str | None, symbols: str | None, entitlements: str | None) -> tuple[Grant, ...] | UnsetType | None:
    """What may be seen from now on. Raises QueryError: the JSON is none, or it is said twice."""
    short = grants_of(venues, symbols)
    if entitlements is None:
        return UNSET if short is None else short
    if short is not None:
        raise QueryError("options: expected --entitlements, or --venues and --symbols, was both")
    try:
        return msgspec.json.decode(entitlements, type=tuple[Grant, ...] | None)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise QueryError(wrong_field(error, "entitlements")) from error
