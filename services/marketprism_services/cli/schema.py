"""`marketprism schema`: what the store's tables are, and what they should be."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import read_only_user
from marketprism_application.errors import StoreError
from marketprism_sdk.election import LEASES, Election
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import Config, DataDir, NatsUrl, nats_of, out, settings_of
from marketprism_services.platform.data_dir_lock import DataDirLock
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.store import engines_of

schema = typer.Typer(help="The tables of the store: what is there, and what should be.", no_args_is_help=True)
T = TypeVar("T")
Url = Annotated[str | None, typer.Option("--clickhouse", help="ClickHouse over HTTP; without it, the settings' store.")]
_LEASE_S = 30.0
PASSWORD = "MARKETPRISM_READER_PASSWORD"  # noqa: S105 (the name of a variable)


def _settings(url: str | None, data_dir: DataDir, config: Config) -> Settings:
    store = {"engine": "clickhouse", "url": url} if url else {}
    return settings_of(config, data_dir, store=store)


def _with(settings: Settings, work: Callable[[SqlStore], Awaitable[T]]) -> T:
    async def go() -> T:
        engine = await engines_of(settings).open()
        try:
            return await work(SqlStore(engine, settings.store))
        finally:
            await engine.close()

    if settings.store.engine != "chdb":
        return asyncio.run(go())
    with DataDirLock(settings.data_dir):  # the engine writes of a store that is open to standard error, without a name
        return asyncio.run(go())


@schema.command()
def plan(clickhouse: Url = None, data_dir: DataDir = None, config: Config = None) -> None:
    """Show the statements that are not applied yet."""
    settings = _settings(clickhouse, data_dir, config)
    steps = _with(settings, lambda store: store.plan())
    for step in steps:
        out.print(f"-- {step.title}  {step.checksum[:12]}", style="bold", highlight=False)
        for statement in step.statements:
            for rendered in settings.store.render(statement):
                print(f"{rendered};\n")
    if not steps:
        out.print("nothing to do")


@schema.command()
def apply(clickhouse: Url = None, data_dir: DataDir = None, nats_url: NatsUrl = None, config: Config = None) -> None:
    """Apply what is missing, while nobody else does (a lease on NATS; the embedded store is one process's anyway)."""
    settings = _settings(clickhouse, data_dir, config)

    async def go() -> list[str]:
        connection = await nats_of(data_dir, nats_url).open("schema")
        try:
            return await _under_a_lease(connection, settings)
        finally:
            await connection.close()

    embedded = settings.store.engine == "chdb" and nats_url is None
    for title in _with(settings, lambda store: store.migrate()) if embedded else asyncio.run(go()):
        out.print(f"applied {title}", highlight=False)
    out.print("the schema is up to date")


async def _under_a_lease(connection: NatsConnection, settings: Settings) -> list[str]:
    kv = await NatsKeyValue.open(connection, LEASES, replicas=settings.nats.replicas)
    holder, key, held = f"schema-{os.getpid()}", "schema.default", asyncio.Event()

    async def acquired(_: int) -> None:
        held.set()

    mine = Election(kv, key, holder, prober=NatsProber(connection, key, holder), on_acquired=acquired)
    running = asyncio.create_task(mine.run())
    try:
        async with asyncio.timeout(_LEASE_S):
            await held.wait()
        engine = await engines_of(settings).open()
        try:
            return list(await SqlStore(engine, settings.store).migrate())
        finally:
            await engine.close()
    except TimeoutError:
        raise Stop(Exit.FAILED, f"schema: {mine.leader()} is at work on it for more than {_LEASE_S:g} s") from None
    finally:
        await mine.release()
        await asyncio.gather(running, return_exceptions=True)


@schema.command()
def verify(clickhouse: Url = None, data_dir: DataDir = None, config: Config = None) -> None:
    """Compare the tables with what this program would make."""

    async def look(store: SqlStore) -> list[str]:
        missing = [f"not applied: {step.title}" for step in await store.plan()]
        return missing + await store.verify()

    wrong = _with(_settings(clickhouse, data_dir, config), look)
    for text in wrong:
        out.print(text, style="red", highlight=False)
    if wrong:
        raise typer.Exit(Exit.FAILED)
    out.print("the tables are what they should be")


@schema.command()
def reader(
    name: Annotated[str, typer.Argument(help="Name of the user.")] = "marketprism_reader",
    password: Annotated[
        str,
        typer.Option(
            help="Password of the user; asked for where it is not given.",
            show_default=False,
            envvar=PASSWORD,
        ),
    ] = "",
    clickhouse: Url = None,
    config: Config = None,
) -> None:
    """Make a database user who can read the tables and nothing else, for `store.read_url`."""
    settings = _settings(clickhouse, None, config)
    if settings.store.engine != "clickhouse":
        raise Stop(Exit.USAGE, "schema reader: expected a ClickHouse server (--clickhouse or store.engine), was chdb")
    store = settings.store
    if not password:
        if not sys.stdin.isatty():
            raise Stop(Exit.USAGE, f"password: expected --password or {PASSWORD}, standard input is no terminal")
        password = typer.prompt(spoken().translate("password of the user"), hide_input=True)
    try:
        statements = read_only_user(name, password, seconds=store.query_s, rows=store.query_rows, cluster=store.cluster)
    except StoreError as error:
        raise Stop(Exit.USAGE, f"schema reader: {error}") from error

    async def make() -> None:
        engine = await engines_of(settings).open()
        try:
            for statement in statements:
                await engine.execute(statement)
        finally:
            await engine.close()

    asyncio.run(make())
    out.print(f"user {name} reads the database market, at most {store.query_s:g} s and {store.query_rows} rows a query")
