"""What the commands share: where they print, options that many have, and the way from those to settings and data.

Nothing here loads a library that only some commands need: a service starts through this module as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.language.console import TranslatingConsole
from marketprism_services.platform.exits import Exit, Stop

if TYPE_CHECKING:
    from marketprism_adapters.calendars import CalendarSettings
    from marketprism_application.contracts.plain_table import Table
    from marketprism_client import Answer, MarketClient
    from marketprism_sdk.messaging import LeaderClient
    from marketprism_sdk.nats.connection import NatsConnection
    from marketprism_services.platform.nats_place import NatsPlace
    from marketprism_services.settings.layers import Layers
    from marketprism_services.settings.settings import Settings

out = TranslatingConsole(spoken())
err = TranslatingConsole(spoken(), stderr=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where data lives; without, ~/.marketprism.")]
Config = Annotated[Path | None, typer.Option("--config", help="Settings file (TOML or JSON).")]
NatsUrl = Annotated[
    str | None,
    typer.Option(
        "--nats-url", help="URL of a running NATS server; one with a password is better given as MARKETPRISM_NATS__URL."
    ),
]
Who = Annotated[str, typer.Option(help="Who wants it; without it, who is logged in here.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from", help="Begin of the range: 2018-10-09, 2018-10-09T21:00 in the zone of --tz, with an offset, or ns."
    ),
]
To = Annotated[str | None, typer.Option("--to", help="End of the range, not included.")]
ROWS_SHOWN = 40
_DEFAULT_URL = "nats://127.0.0.1:4222"
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

    return load(config, _overrides(data_dir, nats_url, more))


def calendar_of(config: Path | None) -> CalendarSettings | None:
    """The closed days of the settings; None where nothing reads settings. Raises as `settings_of` does."""
    from marketprism_services.cli import light  # noqa: PLC0415 (keeps --help quick)

    if light.has_settings():
        return settings_of(config).calendar
    light.refuse_file(config)
    return None


def layers_of(
    config: Path | None = None, data_dir: Path | None = None, nats_url: str | None = None, **more: object
) -> Layers:
    """What a service is given beside its central configuration, options on top. Raises as `settings_of` does."""
    from marketprism_services.settings.layers import Layers  # noqa: PLC0415 (as above)

    layers = Layers.read(config, _overrides(data_dir, nats_url, more))
    layers.settings()
    return layers


def _overrides(data_dir: Path | None, nats_url: str | None, more: dict[str, object]) -> dict[str, object]:
    given = {"data_dir": str(data_dir) if data_dir else None, "nats": {"url": nats_url}, **more}
    return _without_none(given)


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    cleaned = {k: _without_none(v) if isinstance(v, dict) else v for k, v in values.items()}
    return {k: v for k, v in cleaned.items() if v is not None and v != {}}


def nats_of(data_dir: Path | None, nats_url: str | None) -> NatsPlace:
    """NATS of the pipeline that runs on the data directory, unless one is named."""
    from marketprism_services.cli import light  # noqa: PLC0415 (as below)

    if not light.has_settings():
        return light.place_of(data_dir, nats_url)
    from marketprism_services.platform.data_dir_lock import is_running  # noqa: PLC0415
    from marketprism_services.platform.nats_place import NatsPlace  # noqa: PLC0415 (only commands that connect)
    from marketprism_services.settings.settings import load  # noqa: PLC0415

    given: dict[str, Any] = {"data_dir": str(data_dir) if data_dir else None, "nats": {"url": nats_url}}
    settings: Settings = load(None, _without_none(given))
    if settings.nats.url:
        return NatsPlace.of(settings, settings.data_dir, _DEFAULT_URL)
    folder = folder_in_use(settings)
    place = NatsPlace.of(settings, folder, _DEFAULT_URL)
    if "data_dir" in settings.model_fields_set and not is_running(folder):
        text = f"no pipeline runs on {folder}; whatever answers at {place.url} is asked"
        err.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)
    return place


def folder_in_use(settings: Settings, *, say: bool = True) -> Path:
    """The data directory, or that of the simulated pipeline below it, which is said: where none is named, and only that
    one runs."""
    from marketprism_services.platform.data_dir_lock import is_running, simulated_below  # noqa: PLC0415

    folder = settings.data_dir
    simulated = simulated_below(folder)
    if "data_dir" in settings.model_fields_set or is_running(folder) or not is_running(simulated):
        return folder
    if say:
        text = f"the pipeline that runs has simulated data, in {simulated}; none runs on {folder}"
        err.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)
    return simulated


def settings_in_use(
    config: Path | None = None, data_dir: Path | None = None, nats_url: str | None = None, *, say: bool = True
) -> Settings:
    """As `settings_of`, with the folder of the pipeline that runs (`folder_in_use`) as the data directory."""
    settings = settings_of(config, data_dir, nats_url)
    folder = folder_in_use(settings, say=say)
    # What was not named stays so: where nothing is said of a folder, that of the pipeline is looked for.
    return settings if folder == settings.data_dir else settings.model_copy(update={"data_dir": folder})


def storage_leader(connection: NatsConnection) -> LeaderClient:
    """Calls the storage that leads; one that does not come within two seconds is not waited for."""
    from marketprism_sdk.messaging import LeaderClient, NatsBus, RpcClient  # noqa: PLC0415 (only commands that connect)

    return LeaderClient(RpcClient(NatsBus(connection)), "storage", wait_s=_NO_LEADER_S)


def connected(nats: NatsPlace, work: Callable[[NatsConnection], Awaitable[T]]) -> T:
    """Run one piece of work with a connection. Raises Stop where no NATS answers or the work is refused, and
    what the work raises."""
    from marketprism_sdk.errors import NotPermitted  # noqa: PLC0415 (only commands that connect)

    async def go() -> T:
        with _nats_at(nats.url):
            connection = await nats.open("cli")
        try:
            return await work(connection)
        except NotPermitted as error:
            text = f"{error}; give --data-dir of its pipeline, or nats.user and nats.password"
            raise Stop(Exit.NATS, text) from error
        finally:
            await connection.close()

    return asyncio.run(go())


@contextmanager
def _nats_at(url: str) -> Iterator[None]:
    """Says of a NATS that does not answer what is to be done about it."""
    from marketprism_sdk.errors import NotConnected  # noqa: PLC0415 (only commands that connect)
    from marketprism_sdk.urls import Url  # noqa: PLC0415

    try:
        yield
    except NotConnected as error:
        text = f"no NATS answers at {Url(url).bare()}; is `marketprism up` running? It serves what is stored"
        raise Stop(Exit.NATS, text) from error


def ask_table(nats: NatsPlace, work: Callable[[MarketClient], Awaitable[Answer[Any]]]) -> Table:
    """The rows of an answer as they were sent; where archived partitions were read, standard error says so. Raises what
    `ask` does."""
    from marketprism_application.contracts.times import CHINA  # noqa: PLC0415 (only commands that read)

    answer = ask(nats, work)
    if answer.tiers is not None and answer.tiers.units:
        until = f"{datetime.fromtimestamp(answer.tiers.cold_until / 1e9, CHINA):%Y-%m-%d %H:%M}"
        text = (
            f"read from the archive: {answer.tiers.cold_units} partitions; rows are archived until {until}, China time"
        )
        err.print(text, highlight=False, markup=False, soft_wrap=True)
    return answer.plain


def ask(nats: NatsPlace, work: Callable[[MarketClient], Awaitable[T]], *, prefix: str = "") -> T:
    """Run one piece of work with a client; errors of the read side end the command. `prefix` is that of a replay.

    Raises:
        Stop: no NATS and no query service answers, or the query service refuses the question.
    """
    from marketprism_client import QueryFailed  # noqa: PLC0415 (only commands that read)
    from marketprism_sdk.errors import NoResponders  # noqa: PLC0415

    async def go() -> T:
        async with AsyncExitStack() as stack:
            with _nats_at(nats.url):
                market = await stack.enter_async_context(nats.client(prefix))
            return await work(market)

    try:
        return asyncio.run(go())
    except NoResponders as error:
        text = "no query service answers; is `marketprism up` running? `marketprism status` shows what runs"
        raise Stop(Exit.NATS, text) from error
    except QueryFailed as error:
        raise Stop(Exit(error.consequence.exit), str(error)) from error
