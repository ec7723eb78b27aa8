"""The object graph, in one file. Connections are opened by `runtime.py` and come in as dependencies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dependency_injector import containers, providers

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.capture.tap import CaptureSettings, CaptureTap
from marketprism_adapters.sources.registry import VenueMaking, make_source, parse_source
from marketprism_application.gateway.packing import Ingest
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.storage.writer import WriterSettings
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.partitions import partition_of
from marketprism_services.aggregator.service import AggregatorService
from marketprism_services.gateway.service import GatewayService
from marketprism_services.monitor.service import MonitorService
from marketprism_services.query.service import QueryService
from marketprism_services.settings.service_settings import MarketServiceSettings
from marketprism_services.settings.settings import Settings, parse_speed
from marketprism_services.storage.service import StorageService
from marketprism_services.validator.service import ValidatorService
from marketprism_services.wiring.sources import counter_of, group_of, hours_of, retry_of, venue_of_settings
from marketprism_services.wiring.store import engines_of, reading_engines_of

VERSION = "0.1.0"


def _service_settings(settings: Settings, service: str) -> MarketServiceSettings:
    port = getattr(settings.http, service)
    return MarketServiceSettings(settings.http.host, port, settings.nats.replicas, layout=settings.layout())


def _writer(settings: Settings) -> WriterSettings:
    store = settings.store
    return WriterSettings(store.batch_rows, store.batch_ms / 1000, store.max_batch_rows)


def _tap(settings: Settings) -> CaptureTap | None:
    capture = settings.capture
    if not capture.enabled:
        return None
    folder = capture.folder or settings.data_dir / "capture"
    return CaptureTap(
        CaptureSettings(folder, capture.rotate_mb << 20, capture.rotate_s, int(capture.keep_gb * (1 << 30)))
    )


def _partition(settings: Settings) -> Callable[[str], int]:
    return partial(partition_of, count=settings.streams.partitions)


class Container(containers.DeclarativeContainer):
    """Every service and what it is made of."""

    settings = providers.Dependency(instance_of=Settings)
    connection = providers.Dependency(instance_of=NatsConnection)

    calendar = providers.Singleton(chinese_calendar_of_markets)
    lease = providers.Callable(lambda settings: settings.lease.lease(), settings)
    bars = providers.Callable(lambda settings: settings.bars.domain(), settings)
    rules = providers.Callable(lambda settings: settings.validation_rules(), settings)
    partition = providers.Callable(_partition, settings)
    ingest = providers.Factory(Ingest, calendar, partition, grace_s=settings.provided.bars.grace_s)
    tap = providers.Singleton(_tap, settings)
    source = providers.Factory(
        lambda spec, speed, checked, calendar, tap, settings: make_source(
            parse_source(spec),
            calendar,
            speed=parse_speed(speed),
            checked=checked,
            tap=tap,
            counter=lambda venue: counter_of(settings, venue),
            venue=VenueMaking(
                venue_of_settings(settings), settings.venue.ws_url.reveal(), settings.venue.rest_url.reveal()
            ),
        ),
        settings.provided.source.spec,
        settings.provided.source.speed,
        settings.provided.source.checked,
        calendar,
        tap,
        settings,
    )

    gateway = providers.Factory(
        GatewayService,
        connection,
        source,
        ingest.provider,
        calendar,
        group=providers.Callable(group_of, settings),
        hours=providers.Callable(hours_of, settings, calendar),
        retry=providers.Callable(retry_of, settings),
        tap=tap,
        trace_every=settings.provided.trace.every,
        lease=lease,
        version=VERSION,
        settings=providers.Factory(_service_settings, settings, "gateway"),
    )
    validator = providers.Factory(
        ValidatorService,
        connection,
        calendar,
        rules,
        lease=lease,
        version=VERSION,
        settings=providers.Factory(_service_settings, settings, "validator"),
    )
    aggregator = providers.Factory(
        AggregatorService,
        connection,
        calendar,
        bars,
        lease=lease,
        version=VERSION,
        settings=providers.Factory(_service_settings, settings, "aggregator"),
    )
    storage = providers.Factory(
        StorageService,
        connection,
        providers.Callable(engines_of, settings),
        providers.Factory(_writer, settings),
        providers.Callable(lambda settings: settings.store.topology(), settings),
        lease=lease,
        version=VERSION,
        settings=providers.Factory(_service_settings, settings, "storage"),
    )
    query = providers.Factory(
        QueryService,
        connection,
        providers.Factory(
            ReadRules,
            calendar,
            settings.provided.bars.intervals,
            providers.Callable(lambda settings: settings.bars.alignment == "clock", settings),
        ),
        providers.Callable(reading_engines_of, settings),
        settings.provided.query,
        version=VERSION,
        settings=providers.Factory(_service_settings, settings, "query"),
    )
    monitor = providers.Factory(
        MonitorService,
        connection,
        version=VERSION,
        settings=providers.Factory(_service_settings, settings, "monitor"),
    )
