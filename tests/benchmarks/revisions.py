"""What the table of revisions costs where bars are inserted.

Bars go into chDB as the storage service writes them, with the table of their revisions beside the table of what stands
and without it, in turns. Medians: rows a second of one writer, seconds of processor time for a million rows, and
bytes a row on disk once everything is merged.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_application.contracts.kinds import BAR, DataKind
from marketprism_application.ports.storage import EncodedRows, StreamRange
from tests.contract.test_codec import SAMPLES

_RUNS, _BATCHES, _ROWS = 5, 10, 20_000
_SYMBOLS = 200


class Cost(NamedTuple):
    """Of one run."""

    rows_per_s: float
    cpu_s_per_million: float
    bytes_per_row: float


async def measure_revisions() -> dict[str, dict[str, float]]:
    """Both ways, in turns, each run into a store of its own."""
    kinds = {"with_revisions": BAR, "without": replace(BAR, revisions="")}
    batches = [_batch(number) for number in range(_BATCHES)]
    found: dict[str, list[Cost]] = {name: [] for name in kinds}
    for _ in range(_RUNS):
        for name, kind in kinds.items():
            with tempfile.TemporaryDirectory() as folder:
                found[name].append(await _run(Path(folder) / "db", kind, batches))
    return {
        name: {field: round(statistics.median(getattr(each, field) for each in runs), 2) for field in Cost._fields}
        for name, runs in found.items()
    }


async def _run(path: Path, kind: DataKind, batches: list[list[EncodedRows]]) -> Cost:
    engine = await ChdbEngine.open(path)
    store = SqlStore(engine)
    try:
        await store.migrate()
        rows = _BATCHES * _ROWS
        cpu, started = time.process_time(), time.perf_counter()
        for number, batch in enumerate(batches):
            first = number * _ROWS + 1
            await store.insert_encoded(kind, batch, StreamRange("B", "x", first, first + _ROWS - 1), 1)
        took, used = time.perf_counter() - started, time.process_time() - cpu
        size = 0
        for table in filter(None, (kind.table, kind.revisions)):
            await engine.execute(f"OPTIMIZE TABLE market.{table} FINAL")
            of = f"SELECT sum(bytes_on_disk) AS size FROM system.parts WHERE active AND table = '{table}'"
            size += (await engine.fetch(of)).column("size")[0].as_py()
        return Cost(rows / took, used / rows * 1e6, size / rows)
    finally:
        await engine.close()


def _batch(number: int) -> list[EncodedRows]:
    """Minute bars of many instruments, minute after minute, as their messages."""
    encode, bar, found = msgspec.msgpack.Encoder().encode, SAMPLES["bar"], []
    for at in range(number * _ROWS, (number + 1) * _ROWS):
        opened = bar.ts_open + at // _SYMBOLS * 60 * 10**9
        price = Decimal(3_000 + at * 7 % 500)
        made = bar._replace(
            symbol=f"s{at % _SYMBOLS}",
            ts_open=opened,
            ts_close=opened + 60 * 10**9,
            ts_event=opened + 60 * 10**9,
            seq=at,
            open=price,
            high=price + at % 13,
            low=price - at % 11,
            close=price + at % 7,
            volume=Decimal(at % 977),
            turnover=price * (at % 977),
            revision=0,
        )
        found.append(EncodedRows(at + 1, [encode(made)]))
    return found
