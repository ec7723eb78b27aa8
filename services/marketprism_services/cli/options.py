"""What the commands share: where they print, options that many have, and the way from those to settings and data.

Nothing here loads a library that only some commands need: a service starts through this module as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.language.console import TranslatingConsole
from marketprism_services.platform.exits import Exit, Stop

if TYPE_CHECKING:
    import pyarrow as pa

    from marketprism_client import MarketClient
    from marketprism_sdk.messaging import LeaderClient
    from marketprism_sdk.nats.connection import NatsConnection
    from marketprism_sdk.urls import Url
    from marketprism_services.settings.settings import Settings

out = TranslatingConsole(spoken())
err = TranslatingConsole(spoken(), stderr=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where data lives [default: ~/.marketprism].")]
Config = Annotated[Path | None, typer.Option("--config", help="Settings file (TOML or JSON).")]
NatsUrl = Annotated[
    str | None,
    typer.Option(
        "--nats-url", help="URL of a running NATS server; one with a password is better given as MARKETPRISM_NATS__URL."
    ),
]
From = Annotated[str | None, typer.Option("--from", help="Begin: 2018-10-09, 2018-10-09T21:00 (China time), or ns.")]
To = Annotated[str | None, typer.Option("--to", help="End, not included.")]
ROWS_SHOWN = 40
_NO_LEADER_S = 2.0  # longer than a change of the leader takes
T = TypeVar("T")


def settings_of(
    config: Path | None = None, data_dir: Path | None = None, nats_url: str | None = None, **more: Any
) -> Settings:
    """Settings with the options of a command on top.

    Raises:
        Stop: exit code 2, a setting that is wrong or unknown.
    """
    from marketprism_services.settings.settings import load  # noqa: PLC0415 (pydantic: after a launcher has begun)

    overrides: dict[str, Any] = {"data_dir": str(data_dir) if data_dir else None, "nats": {"url": nats_url}, **more}
    return load(config, _without_none(overrides))


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    cleaned = {k: _without_none(v) if isinstance(v, dict) else v for k, v in values.items()}
    return {k: v for k, v in cleaned.items() if v is not None and v != {}}


def url_of(data_dir: Path | None, nats_url: str | None) -> Url:
    """NATS of the pipeline that runs on the data directory, unless one is named."""
    from marketprism_sdk.urls import Url  # noqa: PLC0415 (only commands that connect)
    from marketprism_services.platform.run_files import known_url  # noqa: PLC0415
    from marketprism_services.settings.settings import load  # noqa: PLC0415

    settings: Settings = load(None, {"data_dir": str(data_dir)} if data_dir else {})
    if nats_url or settings.nats.url:
        return Url(nats_url or settings.nats.url or "")
    return known_url(settings.data_dir) or Url("nats://127.0.0.1:4222")


def storage_leader(connection: NatsConnection) -> LeaderClient:
    """Calls the storage that leads; one that does not come within two seconds is not waited for."""
    from marketprism_sdk.messaging import LeaderClient, NatsBus, RpcClient  # noqa: PLC0415 (only commands that connect)

    return LeaderClient(RpcClient(NatsBus(connection)), "storage", wait_s=_NO_LEADER_S)


def connected(url: str, work: Callable[[NatsConnection], Awaitable[T]]) -> T:
    """Run one piece of work with a connection. Raises NotConnected, and what the work raises."""
    from marketprism_sdk.nats.connection import NatsConnection  # noqa: PLC0415 (only commands that connect)

    async def go() -> T:
        connection = await NatsConnection.open(url, name="cli")
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(go())


def ask(url: str, work: Callable[[MarketClient], Awaitable[Any]]) -> Any:
    """Run one piece of work with a client; errors of the read side end the command."""
    from marketprism_client import MarketClient, QueryFailed  # noqa: PLC0415 (only commands that read)

    async def go() -> Any:
        async with MarketClient(url) as market:
            return await work(market)

    try:
        return asyncio.run(go())
    except QueryFailed as error:
        codes = {"INVALID_PARAMETER": Exit.USAGE, "UNKNOWN_SYMBOL": Exit.FAILED}
        code = codes.get(error.code, Exit.STORE)
        raise Stop(code, str(error)) from error


def emit(data: bytes, output: Path | None) -> None:
    """Bytes to a file, or to standard output as they are.

    Raises:
        Stop: exit code 2, the file cannot be written.
    """
    if output is None:
        typer.get_binary_stream("stdout").write(data)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise Stop(Exit.USAGE, f"--output {output}: expected a writable file: {error.strerror}") from error


def show(data: pa.Table, form: str, columns: tuple[str, ...], title: str, empty: str) -> None:
    """A table in the terminal, or another form of it on standard output."""
    from marketprism_application.queries.export import render  # noqa: PLC0415 (only commands that read)
    from marketprism_services.cli.tables import table_of  # noqa: PLC0415

    if form == "table":
        out.print(table_of(data, columns, title=title, last=ROWS_SHOWN) if data.num_rows else empty)
    else:
        emit(render(data, form, columns), None)
