"""Which ranges of a series were downloaded, in a bucket: a record for each series and year."""

from __future__ import annotations

import asyncio
import hashlib
import random
import zlib
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from marketprism_adapters.nats.download_journal import patiently
from marketprism_application.downloads.units import span_of, unit_at
from marketprism_application.errors import StoreError
from marketprism_application.history.downloaded_ranges import merged
from marketprism_application.ports.downloads import DownloadedRange
from marketprism_domain.integrity.dataset import Dataset
from marketprism_sdk.errors import KeyExists, RevisionConflict
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.values import read_or_none

PREFIX = "downloaded."
_PAUSE_S = 0.05
_MOST = 32 << 20


class NatsDownloadedRanges:
    """Fulfils `DownloadedRanges` on a bucket that others may use as well. A range lies in the year of its begin: units
    of storage cross none."""

    def __init__(self, bucket: NatsKeyValue) -> None:
        self._bucket = bucket

    async def ranges(self, dataset: Dataset) -> Sequence[DownloadedRange]:
        """Of all years, by one question."""
        entries = await patiently(lambda: self._bucket.entries(_prefix(dataset)))
        return sorted(each for entry in entries for each in _decoded(entry))

    async def add(self, dataset: Dataset, ranges: Sequence[DownloadedRange]) -> None:
        """Year by year, each by compare-and-swap."""
        span = span_of(dataset.kind, dataset.interval)
        years: dict[str, list[DownloadedRange]] = defaultdict(list)
        for each in ranges:
            years[unit_at("year", each.ts_from).name].append(each)
        for name, some in years.items():
            await self._add(f"{_prefix(dataset)}{name.removeprefix('year=')}", some, span)

    async def _add(self, key: str, ranges: Sequence[DownloadedRange], span: str) -> None:
        while True:
            entry = await patiently(lambda: self._bucket.get(key))
            before = [] if entry is None else _decoded(entry)
            after = merged(before, ranges, span)
            if after == before:
                return
            data = zlib.compress(msgspec.msgpack.encode(after))
            revision = 0 if entry is None else entry.revision
            try:
                await patiently(
                    lambda data=data, revision=revision: (  # type: ignore[misc]
                        self._bucket.update(key, data, revision) if revision else self._bucket.create(key, data)
                    )
                )
            except (RevisionConflict, KeyExists):
                await asyncio.sleep(random.uniform(0.0, _PAUSE_S))
            else:
                return


def _prefix(dataset: Dataset) -> str:
    text = "/".join((dataset.kind, dataset.venue, dataset.symbol, dataset.interval))
    return f"{PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:16]}."


def _decoded(entry: KvEntry) -> list[DownloadedRange]:
    found = read_or_none(entry, _ranges_of)
    if found is None:
        raise StoreError(f"bucket {entry.bucket}, {entry.key}: expected ranges of a series, was something else")
    return found


def _ranges_of(data: bytes) -> list[DownloadedRange]:
    return msgspec.msgpack.decode(zlib.decompressobj().decompress(data, _MOST), type=list[DownloadedRange])


__all__ = ["PREFIX", "NatsDownloadedRanges"]
