"""Alerts about the store: down, behind, full, or refusing rows."""

from __future__ import annotations

from marketprism_services.monitoring.alert import Alert, Runbook, Scene, Severity, risen, rising

_PAGE, _TICKET = Severity.PAGE, Severity.TICKET
_WHO = 'service="storage",instance="storage-1"'
_FREE, _SIZE = (f'marketprism_store_disk_{what}bytes{{{_WHO},disk="default"}}' for what in ("free_", ""))

_DISK = Runbook(
    "Less than a tenth of the store's disk is free, and merges need room too; below three hundredths inserts fail soon.",
    ("Dashboard Storage and query: bytes by table. What else writes to that disk?",),
    ("As for DiskFullIn4h; a ticket can wait until tomorrow, a page cannot.",),
)


def _disk(severity: Severity, free: float, lasts: str) -> Alert:
    return Alert(
        "DiskAlmostFull",
        severity,
        f"marketprism_store_disk_free_bytes / marketprism_store_disk_bytes < {free:g}",
        lasts,
        "Disk {{ $labels.disk }} of the store has {{ $value | humanizePercentage }} free",
        _DISK,
        (
            Scene({_FREE: f"{free / 2 * 1e9:g}x60", _SIZE: "1e9x60"}, "8m"),
            Scene({_FREE: f"{free * 3 * 1e9:g}x60", _SIZE: "1e9x60"}, "8m", 0),
        ),
        "storage",
    )


STORING = (
    Alert(
        "StoreDown",
        _PAGE,
        "max(marketprism_store_up) < 0.5",
        "15s",
        "The store does not answer",
        Runbook(
            "Nothing is stored, and nothing stored can be read. The streams hold everything meanwhile.",
            ("`GET /health` of storage: the reason; log of ClickHouse; `marketprism doctor`.",),
            ("Start the store. Storage goes on where it was; dashboard Storage and query shows it catching up.",),
        ),
        (
            Scene({f"marketprism_store_up{{{_WHO}}}": "1x4 0x40"}, "2m"),
            Scene({f"marketprism_store_up{{{_WHO}}}": "0.5x40"}, "2m", 0),
        ),
        "storage",
    ),
    Alert(
        "StoreBehind",
        _PAGE,
        "max by (stream) (marketprism_store_lag_seconds) > 30",
        "10s",  # how late it is, is counted already
        "{{ $labels.stream }} is stored {{ $value | humanizeDuration }} late",
        Runbook(
            "Rows reach the store late or not at all. Queries of the newest data read the streams, so few notice at first.",
            (
                "Dashboard Storage and query: inserts a second, their time, retries, parts. Is a refill running (`marketprism_store_refilling`)?",
            ),
            ("A slow store: look at its disk and its merges (`marketprism_table_parts`). A refill: wait.",),
        ),
        (
            Scene({'marketprism_store_lag_seconds{stream="MARKET_TICKS"}': "0x4 40+15x40"}, "3m"),
            Scene({'marketprism_store_lag_seconds{stream="MARKET_TICKS"}': "4x60"}, "3m", 0),
        ),
        "storage",
        needs_broker=True,
    ),
    Alert(
        "DiskFullIn4h",
        _PAGE,
        "predict_linear(marketprism_store_disk_free_bytes[1h], 14400) < 1"
        " and marketprism_store_disk_free_bytes / marketprism_store_disk_bytes < 0.5",
        "5m",
        "Disk {{ $labels.disk }} of the store is full within four hours",
        Runbook(
            "At the rate of the last hour the store's disk is full in less than four hours; then nothing is stored.",
            ("Dashboard Storage and query: bytes by table. What else writes to that disk?",),
            (
                "Make room, enlarge the disk, or shorten how long tables hold (docs/settings.md). See [sizing](../sizing.md).",
            ),
        ),
        (
            Scene({_FREE: "1e9-2e6x80", _SIZE: "4e9x80"}, "15m"),
            Scene({_FREE: "1e9-1e5x80", _SIZE: "4e9x80"}, "15m", 0),
            Scene({_FREE: "3e9-4e6x80", _SIZE: "4e9x80"}, "15m", 0),
        ),
        "storage",
    ),
    _disk(_PAGE, 0.03, "15s"),
    _disk(_TICKET, 0.1, "2m"),
    Alert(
        "DeadRows",
        _TICKET,
        risen("marketprism_dead_rows_total", by="service, instance, stream"),
        "0s",
        "The store refuses rows of {{ $labels.stream }}",
        Runbook(
            "Rows were refused for what they hold and set aside; the others were stored.",
            ("`marketprism dead-letters`: rows and errors. `marketprism schema`: is the table as it should be?",),
            ("Mend the table (`marketprism schema`), then send them again.",),
        ),
        rising("marketprism_dead_rows_total", f'{_WHO},stream="MARKET_TICKS"'),
        "storage",
    ),
    Alert(
        "StoreRetries",
        _TICKET,
        "sum by (service, instance) (increase(marketprism_store_retries_total[5m])) > 5",
        "1m",
        "{{ $labels.instance }} has to repeat inserts",
        Runbook(
            "Inserts fail and are repeated. None is lost or counted twice.",
            ("Log of storage and of ClickHouse: too many parts, memory, time-out?",),
            ("Give the store memory; larger batches make fewer parts (docs/settings.md).",),
        ),
        (
            Scene({f'marketprism_store_retries_total{{{_WHO},stream="MARKET_TICKS"}}': "0+1x60"}, "9m"),
            Scene({f'marketprism_store_retries_total{{{_WHO},stream="MARKET_TICKS"}}': "0+0.2x60"}, "9m", 0),
        ),
        "storage",
    ),
    Alert(
        "ArchiveDiffers",
        _PAGE,
        risen("marketprism_archive_verify_failures_total", by="service, instance, table"),
        "0s",
        "Archived files of {{ $labels.table }} are not what was written",
        Runbook(
            "A file of the archive was read back and differs from its manifest, or from the rows that it is made of. Nothing was dropped"
            " for it; of rows that are cold already, the file may be the only copy.",
            (
                "Log of storage: `archive.unit_differs` names the file and what differs. `marketprism archive verify` over its days.",
                "The place's disk, mount and versions of objects: who else writes there?",
            ),
            (
                (
                    "A unit that is not cold is written anew by the next run. Of one that is, bring the file back from a copy of the place, or a"
                    " backup; `marketprism archive verify` says when it is right."
                ),
            ),
        ),
        rising("marketprism_archive_verify_failures_total", f'{_WHO},table="market_ticks"'),
        "storage",
    ),
)

__all__ = ["STORING"]
