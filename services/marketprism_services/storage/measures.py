"""What the storage leader shows of its store: tables, disks, and how far each stream is stored."""

from __future__ import annotations

import asyncio

import structlog

from marketprism_adapters.clickhouse.inventory import Inventory, inventory
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_application.errors import StoreError
from marketprism_sdk.observability import Metrics
from marketprism_services.storage.store_health import StoreState

log = structlog.get_logger()

_EVERY_S = 15.0
_UP = {"healthy": 1.0, "degraded": 0.5}


def watch_store(metrics: Metrics, state: StoreState) -> None:
    """Metrics of what is known without asking the store."""
    metrics.watch("store_up", lambda: _UP.get(state.health().partition(":")[0], 0.0))
    metrics.watch_each("store_watermark", "stream", lambda: {s: float(w.watermark) for s, w in state.writers.items()})
    metrics.watch_each("store_refilling", "stream", lambda: dict.fromkeys(state.refilling(), 1.0))


async def measure_store(engine: Engine, metrics: Metrics) -> None:
    """Ask for the sizes of tables and disks again and again, until cancelled; nothing is shown of a store let go."""
    refused = ""
    try:
        while True:
            try:
                _show(await inventory(engine), metrics)
                refused = ""
            except StoreError as error:
                if refused != (refused := str(error)[:200]):  # the same again says nothing new
                    log.warning("store.not_measured", error=refused)
            await asyncio.sleep(_EVERY_S)
    finally:
        _show(Inventory((), ()), metrics)


def _show(found: Inventory, metrics: Metrics) -> None:
    metrics.gauges("table_rows", ("table",), {(table.name,): table.rows for table in found.tables})
    metrics.gauges("table_bytes", ("table",), {(table.name,): table.bytes for table in found.tables})
    metrics.gauges("table_parts", ("table",), {(table.name,): table.parts for table in found.tables})
    metrics.gauges("store_disk_free_bytes", ("disk",), {(disk.name,): disk.free_bytes for disk in found.disks})
    metrics.gauges("store_disk_bytes", ("disk",), {(disk.name,): disk.total_bytes for disk in found.disks})


__all__ = ["measure_store", "watch_store"]
