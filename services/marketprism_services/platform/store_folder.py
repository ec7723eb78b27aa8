"""Which folder of chDB the storage of a pipeline writes (ADR 39): a second one beside it could not take over.

A folder is known by the file `<data_dir>/folder_id`, wherever it is mounted and whatever the machine is called. The
key `chdb_folder` of the bucket `pipeline_contents` has the identity of the folder in use.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from pathlib import Path

from marketprism_adapters.nats.leader_watch import is_away
from marketprism_application.errors import DataDirError
from marketprism_sdk.errors import KeyExists, RevisionConflict
from marketprism_sdk.messaging import REGISTRY, Discovery, InstanceRecord
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.private_files import private_folder
from marketprism_sdk.values import decode_or_none
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.pipeline_contents import BUCKET

FOLDER_KEY = "chdb_folder"
_FILE = "folder_id"
_CHDB = "chdb"


def identity_of(data_dir: Path) -> str:
    """The identity of a folder, made where it has none; processes that ask at once get the same.

    Raises:
        DataDirError: it cannot be read or written, or is not what this program writes.
    """
    path = data_dir / _FILE
    try:
        if not path.exists():
            _make(private_folder(data_dir) if not data_dir.exists() else data_dir)
        found = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise DataDirError.of(data_dir, error) from error
    if not re.fullmatch(r"[0-9a-f]{32}", found):
        raise DataDirError(f"{path}: expected 32 hexadecimal digits, was {found[:40]!r}; without the file one is made")
    return found


def _make(data_dir: Path) -> None:
    own = data_dir / f"{_FILE}.{secrets.token_hex(8)}"
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{secrets.token_hex(16)}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(own, data_dir / _FILE)  # whole or not at all
    except FileExistsError:
        return  # another process was first: its identity holds
    finally:
        own.unlink(missing_ok=True)


async def claim_store(connection: NatsConnection, settings: Settings) -> None:
    """Remember in NATS which folder of chDB this pipeline's storage writes.

    One that is not registered yet is not seen: who claims confirms it when it is.

    Raises:
        SettingsError: a storage with another folder runs.
        DataDirError: the folder's identity cannot be read or written.
        SdkError: NATS does not take it.
    """
    await _claim(connection, settings, registered=False)


async def until_registered(connection: NatsConnection, service: str, instance: str) -> None:
    """Wait until an instance is in the registry. Raises SdkError."""
    registry = NatsKeyValue.existing(connection, REGISTRY)
    seen = asyncio.Event()

    def look(entry: KvEntry) -> None:
        record = None if entry.deleted else decode_or_none(entry, InstanceRecord)
        if record is not None and (record.service, record.instance) == (service, instance):
            seen.set()

    stop = await registry.watch("", look)
    try:
        for entry in await registry.entries():  # it may have been there before the watch was
            look(entry)
        await seen.wait()
    finally:
        await stop()


async def confirm_store(connection: NatsConnection, settings: Settings) -> None:
    """Claim once more, as a storage that is registered: whoever looked before it was is refused, or refuses it.

    Raises:
        SettingsError: a storage with another folder claimed the pipeline meanwhile.
        DataDirError: the folder's identity cannot be read or written.
        SdkError: NATS does not take it.
    """
    await _claim(connection, settings, registered=True)


async def _claim(connection: NatsConnection, settings: Settings, *, registered: bool) -> None:
    if settings.store.engine != _CHDB:
        return
    bucket = await NatsKeyValue.open(connection, BUCKET, replicas=settings.nats.replicas)
    mine = await asyncio.to_thread(identity_of, settings.data_dir)
    while True:
        entry = await bucket.get(FOLDER_KEY)
        there = _folder_in(entry, settings.data_dir, mine)
        if there != mine and (others := ["another storage"] if registered else await _running(connection)):
            raise _other_folder(settings.data_dir, mine, there, others)
        # Who is registered writes it though it is the same: a claim that was decided on the revision before is not
        # taken any more.
        is_written = not registered and entry is not None and entry.value.decode(errors="replace") == mine
        if is_written or await _written(bucket, mine, entry):
            return


def _folder_in(entry: KvEntry | None, data_dir: Path, mine: str) -> str:
    """The identity in an entry; `mine` for none, and for this path on a machine, as an older storage wrote it."""
    there = entry.value.decode(errors="replace") if entry is not None else mine
    return mine if there.partition(":")[2] == str(data_dir) else there


async def _written(bucket: NatsKeyValue, mine: str, entry: KvEntry | None) -> bool:
    """Whether it was written over what was read; False when another writer was first."""
    try:
        if entry is None:
            await bucket.create(FOLDER_KEY, mine.encode())
        else:
            await bucket.update(FOLDER_KEY, mine.encode(), entry.revision)
    except (KeyExists, RevisionConflict):
        return False
    return True


def _other_folder(data_dir: Path, mine: str, there: str, others: list[str]) -> SettingsError:
    return SettingsError(
        f"store.engine: expected one folder of rows, was chdb with {data_dir} ({mine}) beside {', '.join(others)}, "
        f"which writes {there}: neither could take over from the other. Give them one --data-dir on one machine, or a "
        "ClickHouse server (store.engine = clickhouse)"
    )


async def _running(connection: NatsConnection) -> list[str]:
    """The instances of storage that answer, or are about to."""
    discovery = Discovery(NatsKeyValue.existing(connection, REGISTRY))
    await discovery.refresh()
    records = [record for record in discovery.instances() if record.service == "storage"]
    return [record.instance for record in records if not await is_away(connection, record)]
