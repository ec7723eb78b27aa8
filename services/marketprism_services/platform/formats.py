"""What this program writes and reads: a version for each thing that lasts or goes to another process.

A reader takes its own version of each, passes over fields that it does not know, and refuses a newer one by name. So a
new field needs no number here; what an older reader would take wrongly does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from marketprism_adapters.clickhouse.topology import NEWEST_MIGRATION
from marketprism_adapters.nats.stream_layout import SCHEMA
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.packed import PACKED_VERSION
from marketprism_sdk.nats.stream_config import SCHEMA_OF_BUCKETS
from marketprism_sdk.streams import CHECKPOINT_VERSION

if TYPE_CHECKING:
    from marketprism_sdk.service import Service

TABLES, STREAMS, BUCKETS, CHECKPOINTS, PACKED = "tables", "streams", "buckets", "checkpoints", "packed"


def formats() -> dict[str, int]:
    """By name: `message.<kind>`, `packed`, `checkpoints`, `streams`, `buckets`; of `tables` the newest migration."""
    return {
        **{f"message.{name}": kind.version for name, kind in sorted(KINDS.items())},
        PACKED: PACKED_VERSION,
        CHECKPOINTS: CHECKPOINT_VERSION,
        STREAMS: SCHEMA,
        BUCKETS: SCHEMA_OF_BUCKETS,
        TABLES: NEWEST_MIGRATION,
    }


def show_formats(service: Service) -> None:
    """Let a service's status say what it writes and reads."""
    found = formats()
    service.http.status(lambda: {"formats": found})


def differences(own: Mapping[str, int], other: Mapping[str, int]) -> list[tuple[str, int, int]]:
    """What two programs write and read in different versions: its name, ours, and the other's. What only one of them
    knows the other does not read."""
    return [(name, own[name], other[name]) for name in sorted(own.keys() & other.keys()) if own[name] != other[name]]


__all__ = ["BUCKETS", "CHECKPOINTS", "PACKED", "STREAMS", "TABLES", "differences", "formats", "show_formats"]
