"""What an upgrade to this program would meet: which versions run, which are stored, what would be refused.

Nothing is changed and nothing is made: streams and checkpoints are read from NATS, formats are asked of the instances,
the newest migration of the database, or of the storage where only that has it open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
import msgspec

from marketprism_adapters.clickhouse.migrations import MIGRATIONS
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.clickhouse.topology import OLDEST_MIGRATION
from marketprism_adapters.nats import streams
from marketprism_application.errors import StoreError
from marketprism_sdk.errors import SdkError, StreamMissing, reason_of
from marketprism_sdk.messaging import REGISTRY, Discovery, InstanceRecord
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_of_each
from marketprism_sdk.nats.jetstream import stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.stream_config import SCHEMA
from marketprism_services.platform.data_dir_lock import DataDirLock, is_running
from marketprism_services.platform.formats import BUCKETS, CHECKPOINTS, STREAMS, TABLES, differences, formats
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.store import engines_of

_ASK_S = 3.0
_STAGES = {
    streams.VALIDATOR_STAGE: streams.TICKS,
    streams.AGGREGATOR_STAGE: streams.BARS,
}
_KEPT = (
    REGISTRY,
    streams.SOURCE_POSITIONS,
    streams.STORE_RANGES,
    streams.VALIDATOR_SHARDS,
    streams.AGGREGATOR_SHARDS,
    streams.RULES,
)
OK, NOTE, REFUSED = "ok", "note", "refused"


class Finding(NamedTuple):
    """`ok`, `note` (somebody should know it) or `refused` (it would not work); what was looked at; what was found."""

    grade: str
    what: str
    text: str


class _Versioned(msgspec.Struct):
    v: int = 0


async def check_upgrade(connection: NatsConnection, settings: Settings) -> list[Finding]:
    """Every finding, those of the processes first. Raises SdkError where NATS goes away meanwhile."""
    discovery = Discovery(NatsKeyValue.existing(connection, REGISTRY))
    await discovery.refresh()
    statuses = await _statuses(discovery.instances())
    found = [_of_instance(record, statuses[record.instance]) for record in discovery.instances()]
    if not found:
        found.append(Finding(NOTE, "services", "none runs here: only what is stored was looked at"))
    for name in streams.MARKET_STREAMS:
        found += await _of_stream(connection, name, formats()[STREAMS])
    for bucket in _KEPT:
        found += await _of_stream(connection, f"KV_{bucket}", formats()[BUCKETS])
    for stage, stream in _STAGES.items():
        found += await _of_checkpoints(connection, stage, stream)
    return found + await _of_tables(settings, discovery.instances(), statuses)


async def _statuses(records: list[InstanceRecord]) -> dict[str, Mapping[str, object] | None]:
    """What each instance shows of itself; None where it does not answer."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ASK_S)) as http:
        answers = await asyncio.gather(*(_status(http, record) for record in records))
    return {record.instance: answer for record, answer in zip(records, answers, strict=True)}


async def _status(http: aiohttp.ClientSession, record: InstanceRecord) -> Mapping[str, object] | None:
    try:
        async with http.get(f"{record.endpoints['http']}/status") as answer:
            found = await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError):
        return None
    return found if isinstance(found, dict) and found.get("instance") == record.instance else None


def _of_instance(record: InstanceRecord, status: Mapping[str, object] | None) -> Finding:
    what = f"{record.service} {record.instance}"
    if status is None:
        return Finding(
            NOTE, what, f"version {record.version}, and its status does not answer: not known what it writes"
        )
    told = status.get("formats")
    if not isinstance(told, dict):
        return Finding(NOTE, what, f"version {record.version}, from before programs said what they write")
    other = differences(formats(), {str(name): int(version) for name, version in told.items()})
    newer = [f"{name} {theirs}, this program reads {own}" for name, own, theirs in other if theirs > own]
    older = [f"{name} {theirs}, this program writes {own}" for name, own, theirs in other if theirs < own]
    if newer:
        return Finding(REFUSED, what, f"version {record.version} writes {'; '.join(newer)}: install the newer version")
    if older:
        return Finding(NOTE, what, f"version {record.version} reads {'; '.join(older)}: replace it before its writers")
    return Finding(OK, what, f"version {record.version} writes and reads what this program does")


async def _of_stream(connection: NatsConnection, name: str, own: int) -> list[Finding]:
    try:
        config = (await stream_info(connection, name, within_s=0))["config"]
    except StreamMissing:
        return [Finding(OK, name, "not there yet: it will be made")]
    except SdkError as error:
        return [Finding(NOTE, name, f"cannot be looked at: {error}")]
    there = (config.get("metadata") or {}).get(SCHEMA, "")
    if not there:
        return [Finding(OK, name, f"says no schema version: it is written with {own} at the next start")]
    if not there.isdecimal() or int(there) > own:
        text = f"expected schema version {own} at most, was {there}: a newer program writes it; install that version"
        return [Finding(REFUSED, name, text)]
    return [Finding(OK, name, f"schema version {there}")]


async def _of_checkpoints(connection: NatsConnection, stage: str, stream: str) -> list[Finding]:
    own, what = formats()[CHECKPOINTS], f"checkpoints of {stage}"
    try:
        found = await last_of_each(connection, stream, [f"stage.{stage}.*.ck"])
    except SdkError as error:
        return [] if isinstance(error, StreamMissing) else [Finding(NOTE, what, f"cannot be looked at: {error}")]
    newer: dict[int, list[str]] = {}
    for subject, held in sorted(found.items()):
        try:
            version = msgspec.msgpack.decode(held.data, type=_Versioned).v
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # no checkpoint: a stage passes over it
        if version > own:
            newer.setdefault(version, []).append(subject.split(".")[2])
    if newer:
        version, partitions = max(newer.items())
        named = ", ".join(partitions[:8])
        text = f"expected version {own} at most, was {version} of partitions {named}: they would not be worked on"
        return [Finding(REFUSED, what, text)]
    return [Finding(OK, what, f"{len(found)} partitions, version {own} at most")]


async def _of_tables(
    settings: Settings, records: list[InstanceRecord], statuses: Mapping[str, Mapping[str, object] | None]
) -> list[Finding]:
    applied = _storage_schema(records, statuses)
    if applied is None:
        try:
            applied = await _in_database(settings)
        except (StoreError, OSError) as error:
            return [Finding(NOTE, "tables", f"cannot be looked at: {reason_of(error)}")]
    if applied is None:
        text = "the storage that has them open is from before it said which migrations are applied"
        return [Finding(NOTE, "tables", text), *_way_back(None, settings)]
    newest = formats()[TABLES]
    if applied > newest:
        text = f"expected migrations up to {newest}, the database has {applied}: this storage would not write"
        return [Finding(REFUSED, "tables", text)]
    most = settings.store.schema_at_most or newest
    due = [each.title for each in MIGRATIONS if applied < each.number <= most]
    text = f"would be applied: {', '.join(due)}" if due else f"migrations up to {applied}: nothing to apply"
    if not applied:
        text = "no table yet: all will be made"
    return [Finding(OK, "tables", text), *_way_back(applied, settings)]


def _way_back(applied: int | None, settings: Settings) -> list[Finding]:
    """Whether a storage of the version before still writes afterwards."""
    newest = formats()[TABLES]
    most = max(settings.store.schema_at_most or newest, applied or 0)
    if applied is not None and most <= applied:
        return [Finding(OK, "way back", f"open: a storage that knows migrations up to {applied} writes on")]
    held = max(applied or OLDEST_MIGRATION, OLDEST_MIGRATION)
    if held >= most:
        return []
    text = (
        f"closed by migration {most}: a storage of the version before would not write any more; "
        f"store.schema_at_most = {held} holds it back"
    )
    return [Finding(NOTE, "way back", text)]


def _storage_schema(records: list[InstanceRecord], statuses: Mapping[str, Mapping[str, object] | None]) -> int | None:
    """What the storage that has the tables open says of them."""
    for record in records:
        store = (statuses[record.instance] or {}).get("store")
        if record.service == "storage" and isinstance(store, dict) and isinstance(store.get("migration"), int):
            return int(store["migration"]) or None
    return None


async def _in_database(settings: Settings) -> int | None:
    """What the database itself says; None where it is open in another process. Raises StoreError."""
    if settings.store.engine != "chdb":
        return await _applied(settings)
    if not await asyncio.to_thread((settings.data_dir / "chdb").exists):
        return 0
    if await asyncio.to_thread(is_running, settings.data_dir):
        return None
    with DataDirLock(settings.data_dir):
        return await _applied(settings)


async def _applied(settings: Settings) -> int:
    engine = await engines_of(settings).open()
    try:
        return await SqlStore(engine, settings.store).applied()
    finally:
        await engine.close()


__all__ = ["NOTE", "OK", "REFUSED", "Finding", "check_upgrade"]
