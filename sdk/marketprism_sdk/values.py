"""Values that others wrote into a bucket: read with a net, because no value may end a service.

Whoever can write into a bucket can write anything: noise, another type, a version from the future. A value that is not
what it should be is the same as none for its reader: told once per revision, counted, and left for its owner to mend.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from marketprism_sdk.errors import reason_of
from marketprism_sdk.observability.logger import Logger, get_logger
from marketprism_sdk.ports import KvEntry

if TYPE_CHECKING:
    from marketprism_sdk.observability import Metrics

log: Logger = get_logger(__name__)

T = TypeVar("T")
REFUSED = "kv_values_refused_total"
_REMEMBERED = 10_000
_told: OrderedDict[tuple[str, str], int] = OrderedDict()


def decode_or_none(entry: KvEntry | None, kind: type[T], *, metrics: Metrics | None = None) -> T | None:
    """The MessagePack record of an entry; None for no entry, a deleted one, and one that holds something else."""
    return read_or_none(entry, lambda value: msgspec.msgpack.decode(value, type=kind), metrics=metrics)


def read_or_none(entry: KvEntry | None, read: Callable[[bytes], T], *, metrics: Metrics | None = None) -> T | None:
    """What `read` makes of an entry's value, None for no entry and where it raises.

    A refused value is logged once per key and revision, and counted in `kv_values_refused_total` by bucket at each
    reading: the counter goes on for as long as it lies there. Keys are no label, anybody can invent them.
    """
    if entry is None or entry.deleted:
        return None
    try:
        return read(entry.value)
    except Exception as error:  # noqa: BLE001 (whatever a value makes its reader raise, it may not end a service)
        _tell(entry, error)
        if metrics is not None:
            metrics.count(REFUSED, bucket=entry.bucket)
        return None


def _tell(entry: KvEntry, error: Exception) -> None:
    place = (entry.bucket, entry.key)
    if _told.get(place) == entry.revision:
        return
    _told[place] = entry.revision
    _told.move_to_end(place)
    if len(_told) > _REMEMBERED:
        _told.popitem(last=False)
    log.warning(
        "kv.value_refused",
        bucket=entry.bucket,
        key=entry.key[:200],
        revision=entry.revision,
        bytes=len(entry.value),
        error=reason_of(error)[:200],
    )
