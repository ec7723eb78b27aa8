"""`marketprism up`: the whole pipeline on one machine, and the verdict of one run."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.nats import streams
from marketprism_adapters.nats.accounts import passwords_in
from marketprism_adapters.nats.local_server import DEFAULT_PORT, EmbeddedOptions, EmbeddedServer, is_free
from marketprism_adapters.nats.pipeline_probe import PipelineProbe, Progress
from marketprism_adapters.nats.source_positions import Positions
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import BAR
from marketprism_application.ports.sources import counting_source, named_source
from marketprism_domain.marketdata.bar import Bar
from marketprism_sdk.errors import SdkError, StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import next_of
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.urls import Url
from marketprism_services.platform import catalogue, data_contents, known_files, nats_users, run_files, units
from marketprism_services.platform.data_dir_lock import DataDirLock
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.launcher import Launcher
from marketprism_services.platform.local_servers import JetStreamProbe, ServerWatch, held_port
from marketprism_services.platform.runtime import READER, connect
from marketprism_services.platform.supervisor import Supervisor
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.sections import LOCAL_SERVER, NO_SOURCE
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.addresses import is_loopback
from marketprism_services.wiring.packages import check_packages
from marketprism_services.wiring.source_names import is_live
from marketprism_services.wiring.sources import source_of

if TYPE_CHECKING:
    from marketprism_adapters.clickhouse.local_server import LocalClickHouse
    from marketprism_services.platform.local_monitoring import Monitoring

log = structlog.get_logger()

_SHOWN = "api"  # whose address people are shown
_LOOK_S = 0.2
_PACED_LOOK_S = 2.0  # at a source that takes its time
_STUCK_S = 300.0
_FIRST_LOOK_S = 0.5
_LIBRARY_MB = 165

OnProgress = Callable[[Progress, int], None]


@dataclass
class Servers:
    """The servers of this pipeline's own; None for one that runs elsewhere, or is not needed."""

    nats: EmbeddedServer | None = None
    clickhouse: LocalClickHouse | None = None


@dataclass
class Running:
    """A pipeline that is up."""

    connection: NatsConnection
    settings: Settings
    sources: tuple[str, ...]
    rows: dict[str, int]
    skipped: dict[str, int]
    supervisor: Supervisor
    probe: PipelineProbe
    servers: Servers
    data_from: int = 1  # sequence in MARKET_DATA at which this run begins
    bars_from: int = 1  # the same of MARKET_BARS
    started: float = field(default_factory=time.monotonic)
    reads: bool = True  # whether a gateway runs
    monitoring: Monitoring | None = None

    @property
    def url(self) -> Url:
        """The address of its NATS."""
        return self.connection.url

    @property
    def total(self) -> int:
        """Ticks the source holds, 0 when it is not known."""
        return sum(self.rows.values())


@dataclass(frozen=True, slots=True)
class Extent:
    """What of it runs beside the services that `up` always starts, and in how many processes; `processes` None for as
    many as the cores are worth.

    `monitored` starts the notifier and this machine's Prometheus and Alertmanager too, `jobs` the scheduler,
    `orders` the order service, `backtests` the backtest service, `data_jobs` the data service.
    """

    monitored: bool = False
    jobs: bool = False
    orders: bool = False
    backtests: bool = False
    data_jobs: bool = False
    processes: int | None = None

    def units(self, *, reads: bool) -> list[tuple[str, ...]]:
        """The services of each process; without a source there is no gateway."""
        wanted = {
            catalogue.SCHEDULER: self.jobs,
            catalogue.ORDER: self.orders,
            catalogue.BACKTEST: self.backtests,
            catalogue.DATA: self.data_jobs,
            catalogue.NOTIFIER: self.monitored,
            READER: reads,
        }
        services = [row.name for row in catalogue.SERVICES if wanted.get(row.name, row.in_up)]
        processes = units.processes_for(units.cores()) if self.processes is None else self.processes
        return units.units_of(services, processes)


async def start(
    settings: Settings,
    stack: AsyncExitStack,
    launcher: Launcher,
    stop: asyncio.Event | None = None,
    extent: Extent | None = None,
) -> Running:
    """Check the source, start NATS (unless a URL is set) and the services; nothing is started again after `stop`.

    Without a source no gateway is started: what is stored is served.

    What can be seen of a source at once is seen before anything starts. Reading long recordings to their end takes
    seconds: meanwhile every process starts that has no gateway in it. The launcher is closed when `stack` is left.

    Raises:
        ApplicationError, SdkError: with what is in the way; nothing has been read into the pipeline then.
    """
    extent = extent or Extent()
    stack.push_async_callback(launcher.close)
    check_packages(settings)
    if extent.monitored:
        settings = await _with_monitoring(settings, stack)
    reads = settings.source.spec != NO_SOURCE
    source = source_of(settings, chinese_calendar_of_markets(settings.calendar)) if reads else None
    stack.enter_context(DataDirLock(settings.data_dir))
    looked_through = source is not None and not is_live(settings.source.spec)
    check = asyncio.create_task(source.connect() if source is not None and looked_through else asyncio.sleep(0))
    stack.push_async_callback(_ended, check)
    await asyncio.wait((check,), timeout=_FIRST_LOOK_S)
    if check.done():
        await check
    await asyncio.to_thread(data_contents.check_directory, settings)
    settings = _with_free_ports(settings, stack)
    servers = Servers()
    settings = await _with_nats(settings, servers, stack)
    connection = await connect(settings, nats_users.SUPERVISOR)
    stack.push_async_callback(connection.close)
    data = await data_contents.claim_pipeline(connection, settings)
    await asyncio.to_thread(data_contents.claim_directory, settings, data)
    settings = await _with_clickhouse(settings, servers, stack)
    probe = await _probe(connection)
    data_from = await _end_of(connection, streams.DATA) + 1
    bars_from = await _end_of(connection, streams.BARS) + 1
    await _watch(servers, connection, stop, stack)
    config, environment = await asyncio.to_thread(run_files.write, _checked(settings))
    logs = settings.data_dir / "logs"
    supervisor = Supervisor(config, logs, launcher, environment=environment, ending=stop)
    stack.push_async_callback(supervisor.stop, settings.drain_s + 1)
    processes = extent.units(reads=reads)
    reading = units.unit_of(READER, processes)
    await supervisor.start([units.name_of(unit) for unit in processes if unit != reading])
    up = Running(connection, settings, (), {}, {}, supervisor, probe, servers, data_from, bars_from, reads=False)
    if extent.monitored:
        up.monitoring = await _start_monitoring(settings, stack, stop)
    await check
    if source is None:
        return up
    await supervisor.start([units.name_of(reading)])
    recording = counting_source(source) if source.traits.recording else None
    rows = dict(recording.rows) if recording is not None else {}
    skipped = dict(recording.skipped) if recording is not None else {}
    named = named_source(source)
    names = tuple(rows) or (named.source if named is not None else "",)
    return replace(up, sources=names, rows=rows, skipped=skipped, reads=True)


async def _with_monitoring(settings: Settings, stack: AsyncExitStack) -> Settings:
    """The settings with the ports that its servers have to know. Raises LocalServerError: this machine has none."""
    from marketprism_services.platform import local_monitoring  # noqa: PLC0415 (loads aiohttp)

    await local_monitoring.check(settings)
    return local_monitoring.with_known_ports(settings, stack)


async def _start_monitoring(settings: Settings, stack: AsyncExitStack, stop: asyncio.Event | None) -> Monitoring:
    from marketprism_services.platform import local_monitoring  # noqa: PLC0415 (loads aiohttp)

    return await local_monitoring.start(settings, stack, stop)


async def _ended(check: asyncio.Task[None]) -> None:
    """Wait for a check that nobody asks for any more: what went wrong before it is what is in the way."""
    check.cancel()
    await asyncio.gather(check, return_exceptions=True)


async def _with_nats(settings: Settings, servers: Servers, stack: AsyncExitStack) -> Settings:
    if settings.nats.url is not None:
        return settings
    given = settings.nats
    users = known_files.users_folder(settings.data_dir) if given.accounts else None
    options = EmbeddedOptions(
        settings.data_dir,
        port=given.port,
        sync_always=given.sync_always,
        max_store_gb=given.max_store_gb,
        accounts=await asyncio.to_thread(_accounts, users) if users is not None else "",
    )
    servers.nats = await EmbeddedServer.start(options)
    if given.port is None and servers.nats.port != DEFAULT_PORT:
        log.warning("nats.port_taken", service="NATS", port=DEFAULT_PORT, instead=servers.nats.port)
    stack.push_async_callback(servers.nats.stop)
    nats = replace(given, url=Url(servers.nats.url), users=users)
    return settings.model_copy(update={"nats": nats})


def _accounts(folder: Path) -> str:
    """Who may do what on the server, with passwords that are in the folder from now on."""
    found = nats_users.accounts()
    return found.config(passwords_in(folder, found.names))


async def _with_clickhouse(settings: Settings, servers: Servers, stack: AsyncExitStack) -> Settings:
    if settings.store.engine != "clickhouse" or settings.store.url != LOCAL_SERVER:
        return settings
    from marketprism_adapters.clickhouse.local_server import (  # noqa: PLC0415 (loads aiohttp)
        LocalClickHouse,
        LocalOptions,
        cache_dir,
    )

    if shutil.which("clickhouse") is None and not (cache_dir() / "libchdb.so").exists():
        log.warning("clickhouse.fetching", megabytes=_LIBRARY_MB, folder=str(cache_dir()))
    files_at = urlsplit(settings.archive.place).netloc if settings.archive.is_s3 else ""
    options = LocalOptions(settings.data_dir / "clickhouse", held_port(stack), held_port(stack), files_at=files_at)
    servers.clickhouse = await LocalClickHouse.start(options)
    stack.push_async_callback(servers.clickhouse.stop)
    url, read_url = Url(servers.clickhouse.url), Url(servers.clickhouse.read_url)
    return settings.model_copy(update={"store": replace(settings.store, url=url, read_url=read_url)})


async def _watch(
    servers: Servers, connection: NatsConnection, stop: asyncio.Event | None, stack: AsyncExitStack
) -> None:
    """Start the watches of the servers; they end before the servers do, and after the services."""
    watches = []
    if servers.nats is not None:
        watches.append(ServerWatch(servers.nats, JetStreamProbe(connection), ending=stop))
    if servers.clickhouse is not None:
        watches.append(ServerWatch(servers.clickhouse, servers.clickhouse.probe, ending=stop))
    for watch in watches:
        stack.push_async_callback(watch.stop)
        await watch.start()


def _with_free_ports(settings: Settings, stack: AsyncExitStack) -> Settings:
    """The usual HTTP ports where they are free, others where something else has them, held until `stack` is left. For
    the API gateway's link to be one that works, 0 is a port already.

    Raises:
        SettingsError: a port that was asked for is taken.
    """
    chosen = {}
    here = is_loopback(settings.http.host)  # of another address the service itself sees whether a port is free
    for name in catalogue.in_up():
        port = settings.http.port_of(name)
        asked = port != catalogue.row_of(name).port
        if name == _SHOWN and not port:
            chosen[name] = held_port(stack)
        if not port or is_free(port) or (asked and not here):
            continue
        if asked:
            raise SettingsError(f"http.{name}: expected a free port, was {port}, which is taken; 0 takes any free one")
        chosen[name] = held_port(stack)
        log.warning("http.port_taken", service=name, port=port, instead=chosen[name])
    return settings.model_copy(update={"http": settings.http.with_ports(**chosen)})


async def _probe(connection: NatsConnection) -> PipelineProbe:
    positions = NatsKeyValue.existing(connection, streams.SOURCE_POSITIONS)
    await Positions.forget(positions)
    ranges = NatsKeyValue.existing(connection, streams.STORE_RANGES)
    return PipelineProbe(connection, positions, ranges)


async def _end_of(connection: NatsConnection, stream: str) -> int:
    """The last sequence of a stream, 0 where nobody has made it yet."""
    try:
        return int((await stream_info(connection, stream))["state"]["last_seq"])
    except StreamMissing:
        return 0


def _checked(settings: Settings) -> Settings:
    """As the services read them; the recordings were checked here already."""
    return settings.model_copy(update={"source": settings.source.model_copy(update={"checked": True})})


def is_paced(running: Running) -> bool:
    """Whether the source takes its time, so that who looks on may too."""
    return running.settings.source.speed != "max" or is_live(running.settings.source.spec)


def raise_if_failed(running: Running) -> None:
    """Raises Stop: a service cannot run, and would not at its next start either."""
    if running.supervisor.failed.done():
        service, code = running.supervisor.failed.result()
        raise Stop(Exit(code), f"{service} cannot run: {running.supervisor.last_words(service)}")


async def until_done(
    running: Running,
    stop: asyncio.Event,
    on_progress: OnProgress,
    enough: Callable[[Progress], bool] = lambda _: False,
) -> Progress:
    """Wait until everything the source holds is stored, or `enough` is there to see, or `stop`.

    Raises:
        Stop: a service cannot run, the source failed, or nothing has moved for five minutes.
    """
    last, moved = Progress(), time.monotonic()
    while not stop.is_set():
        raise_if_failed(running)
        try:
            progress = await running.probe.read(running.sources)
        except SdkError as error:
            log.warning("nats.unreachable", error=str(error), detail="waiting until it answers")
            await asyncio.sleep(1)
            continue
        on_progress(progress, running.total)
        if progress.error:
            raise Stop(Exit.INPUT, progress.error)
        if progress.done or enough(progress):
            return progress
        if _state(progress) != _state(last):
            last, moved = progress, time.monotonic()
        elif time.monotonic() - moved > _STUCK_S and running.settings.source.speed == "max":
            behind = {stage: lag for stage, lag in progress.behind.items() if lag}
            raise Stop(
                Exit.FAILED,
                f"nothing has moved for {_STUCK_S:g} s; behind: {behind}; see {running.settings.data_dir}/logs",
            )
        await asyncio.sleep(_PACED_LOOK_S if is_paced(running) else _LOOK_S)
    return last


async def first_bars(running: Running, most: int) -> list[Bar]:
    """The first one-minute bars that this run published, as they are in the stream; none where it has published none.

    Raises:
        SdkError: NATS does not answer.
    """
    subject, place = BAR.subject.format(interval="1m", symbol="*"), running.bars_from
    found: list[Bar] = []
    while len(found) < most:
        held = await next_of(running.connection, streams.BARS, subject, place)
        if held is None:
            break
        found.append(decode(BAR, held.data))
        place = held.seq + 1
    return found


def _state(progress: Progress) -> tuple[Any, ...]:
    return (progress.finished, progress.accepted, sum(progress.behind.values()), sum(progress.bars.values()))
