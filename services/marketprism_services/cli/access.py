"""`marketprism access`: users, keys, roles, sessions, signing keys and the audit log."""

from __future__ import annotations

import itertools
import json
import time
from typing import Annotated

import typer

from marketprism_adapters.identity.shown_once import is_digest_of, key_id, new_api_key, new_password
from marketprism_application.access.principal import Principal
from marketprism_application.access.rights import of_key, of_user
from marketprism_application.contracts.access_records import ApiKey, User
from marketprism_services.cli import access_changes  # noqa: F401 (adds its commands)
from marketprism_services.cli.access_desk import (
    AccessDesk,
    AsJson,
    at_desk,
    digest_of_password,
    not_there,
    show_one,
    show_rows,
)
from marketprism_services.cli.access_logins import session, signer
from marketprism_services.cli.access_people import key, user
from marketprism_services.cli.access_roles import role
from marketprism_services.cli.options import DataDir, NatsUrl, out
from marketprism_services.wiring.access_views import view_of_audit, view_of_principal

access = typer.Typer(
    help="Users, keys, roles and sessions of the API gateway, and its audit log.", no_args_is_help=True
)
for name, group in (("user", user), ("key", key), ("role", role), ("session", session), ("signer", signer)):
    access.add_typer(group, name=name)


@access.command()
def init(as_json: AsJson = False, data_dir: DataDir = None, nats_url: NatsUrl = None) -> None:
    """Make the first administrator, and show its key and its one-time password, once."""

    async def work(desk: AccessDesk) -> dict[str, object] | None:
        if desk.users.has_admin():
            return None
        password = new_password()
        name = _free_name(desk)
        admin = User(id=name, roles=("admin",), password=await digest_of_password(password), must_change=True)
        await desk.users.create(desk.actor, admin)
        secret = new_api_key()
        made = ApiKey(id=secret.id, owner=name, digest=secret.digest, name="first")
        await desk.keys.create(desk.actor, made)
        return {"user": name, "key": secret.text, "password": password}

    found = at_desk(data_dir, nats_url, work)
    if found is None:
        out.print("there is an administrator already; nothing was made")
    elif as_json:
        print(json.dumps(found))
    else:
        out.print(f"administrator {found['user']}; these are shown once:", highlight=False, markup=False)
        out.print(f"  key       {found['key']}", highlight=False, markup=False)
        out.print(f"  password  {found['password']}", highlight=False, markup=False)


def _free_name(desk: AccessDesk) -> str:
    """`admin`, or `admin-2` where an `admin` may administrate no more: its old keys are not to be good for it again."""
    names = itertools.chain(("admin",), (f"admin-{number}" for number in itertools.count(2)))
    return next(name for name in names if desk.store.get(User, name) is None)


@access.command()
def audit(
    limit: Annotated[int, typer.Option(help="Most records, newest first.", min=1, max=10_000)] = 100,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Who did what to what, from where, and what became of it."""

    async def work(desk: AccessDesk) -> list[dict[str, object]]:
        return [view_of_audit(seq, record) for seq, record in await desk.log.newest(limit)]

    show_rows(
        at_desk(data_dir, nats_url, work), ("ts", "who", "action", "target", "outcome", "address"), as_json=as_json
    )


@access.command()
def who(
    name: Annotated[str, typer.Argument(help="A user, the id of a key, or - to type a key itself.")],
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """What a user or a key may do and see at this moment, as JSON."""
    text = typer.prompt("key", hide_input=True) if name == "-" else ""

    async def work(desk: AccessDesk) -> dict[str, object]:
        wanted = key_id(text) or name
        found = desk.store.get(ApiKey, wanted)
        if found is None or (text and not is_digest_of(found.digest, text)):
            owner = desk.store.get(User, name)
            if owner is None:
                raise not_there("name", name)
            return _valid(of_user(owner, desk.users.find_role), is_valid=not owner.is_disabled)
        owner = desk.store.get(User, found.owner)
        if owner is None:
            raise not_there("user", found.owner)
        is_over = bool(found.ts_revoked) or 0 < found.ts_expires <= time.time_ns()
        is_valid = not is_over and not owner.is_disabled
        return _valid(of_key(found, owner, desk.users.find_role), is_valid=is_valid)

    show_one(at_desk(data_dir, nats_url, work))


def _valid(found: Principal, *, is_valid: bool) -> dict[str, object]:
    return {**view_of_principal(found), "valid": is_valid}
