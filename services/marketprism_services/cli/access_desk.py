"""What the commands about access share: the way to the store, who works at it, and how lists are shown."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from marketprism_adapters.nats.access_store import NatsAccessStore
from marketprism_adapters.nats.audit_log import NatsAuditLog
from marketprism_application.access.audit import Actor, Auditing
from marketprism_application.access.keys import Keys
from marketprism_application.access.principal import Principal
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.access.roles import Roles
from marketprism_application.access.scopes import Scope
from marketprism_application.access.users import Users
from marketprism_application.contracts.access_records import Grant
from marketprism_application.contracts.failures import Code, consequence_of
from marketprism_application.errors import ApplicationError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli.options import connected, nats_of, out
from marketprism_services.platform.exits import Exit, Stop

T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
Id = Annotated[str, typer.Argument(help="An id as `list` shows it.")]
NewId = Annotated[str, typer.Argument(help="A name: a-z, 0-9, - and _.")]
Venues = Annotated[str | None, typer.Option(help="Venues that may be seen, like shfe,okx; * is any text.")]
Symbols = Annotated[str | None, typer.Option(help="Symbols that may be seen, like 'rb*'.")]


class AccessDesk:
    """The use cases over the store of a pipeline. Whoever reaches its NATS with these commands may do everything."""

    def __init__(self, store: NatsAccessStore, log: NatsAuditLog) -> None:
        self.store = store
        self.log = log
        self.auditing = Auditing(log)
        self.users = Users(store, self.auditing)
        self.keys = Keys(store, self.auditing)
        self.roles = Roles(store, self.auditing, self.users)
        who = Principal("local", f"{_login()}@{socket.gethostname()}", frozenset(Scope))
        self.actor = Actor(who, "cli")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may have a user without a name
        return "nobody"


def at_desk(data_dir: Path | None, nats_url: str | None, work: Callable[[AccessDesk], Awaitable[T]]) -> T:
    """What a piece of work returns. Raises Stop: what was asked cannot be done, in words."""

    async def go(connection: NatsConnection) -> T:
        store = NatsAccessStore(connection)
        await store.start()
        try:
            log = NatsAuditLog(connection)
            await log.start()
            return await work(AccessDesk(store, log))
        finally:
            await store.stop()

    try:
        return connected(nats_of(data_dir, nats_url), go)
    except ApplicationError as error:
        raise Stop(Exit(consequence_of(error.code).exit), str(error)) from error


def show_rows(rows: Sequence[Mapping[str, object]], columns: Sequence[str], *, as_json: bool) -> None:
    """One JSON object a line, or a table of some columns; what has to be typed again is never cut."""
    if as_json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return
    table = Table(header_style="bold", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name.removeprefix("ts_"), overflow="fold", no_wrap=name == columns[0])
    for row in rows:
        table.add_row(*(_cell(name, row[name]) for name in columns))
    out.print(table)


def show_one(row: Mapping[str, object]) -> None:
    """Everything of one, as JSON."""
    print(json.dumps(row, indent=1, ensure_ascii=False))


def _cell(name: str, value: object) -> str:
    if name.startswith("ts_") or name == "ts":
        shown = datetime.fromtimestamp(value / 1e9, UTC).isoformat(timespec="seconds") if isinstance(value, int) else ""
        return shown if value else ""
    if value is None:
        return "all"
    text = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in text).replace("[", r"\[")


def words(text: str | None) -> tuple[str, ...] | None:
    """`a,b` as a tuple, None of None."""
    return None if text is None else tuple(part for part in text.replace(",", " ").split() if part)


def grants_of(venues: str | None, symbols: str | None) -> tuple[Grant, ...] | None:
    """What two options allow to be seen; None where neither is given."""
    if venues is None and symbols is None:
        return None
    return (Grant(words(venues) or ("*",), words(symbols) or ("*",)),)


def not_there(word: str, shown: str) -> AccessRefused:
    """The error about a name that nothing has."""
    return AccessRefused(Code.NOT_FOUND, f"{word}: expected one that there is, was {shown[:64]!r}")


async def digest_of_password(password: str) -> str:
    """The digest to be stored of a password."""
    from marketprism_adapters.identity.passwords import Passwords  # noqa: PLC0415 (argon2, for few of these)

    passwords = Passwords()
    try:
        return await passwords.digest(password)
    finally:
        passwords.close()
