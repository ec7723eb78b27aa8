"""What a data directory, and a pipeline, holds: real or simulated data, and which engine has the rows (ADR 39).

`<data_dir>/contents.json` and the key `data` of the bucket `pipeline_contents` remember it from the first source that
was read, the file from the first start as well which engine is used. What does not fit is refused before anything is
read.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.leader_watch import is_away
from marketprism_adapters.nats.source_positions import positions_in
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.errors import DataDirError, SourceError
from marketprism_sdk.errors import KeyExists, reason_of
from marketprism_sdk.messaging import Discovery
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.private_files import write_private
from marketprism_sdk.urls import Url
from marketprism_services.platform.data_dir_lock import simulated_below
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.sections import LOCAL_SERVER, NO_SOURCE
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.sources import COUNTERS

REAL, SIMULATED = "real", "simulated"
BUCKET, KEY, FOLDER_KEY = "pipeline_contents", "data", "chdb_folder"
_FILE = "contents.json"
_SIM = "sim"
_CHDB = "chdb"


class OtherContents(DataDirError):
    """The data directory holds data of the other kind, or its rows are in another engine; the text says what to do."""


def data_of(settings: Settings) -> str | None:
    """`real` or `simulated`, by the source that the settings name; None where they name none.

    Simulated are `sim`, a counter with a front of `sim:`, and a crypto venue at an address of this machine.
    """
    name, _, arguments = settings.source.spec.partition(":")
    if name == NO_SOURCE:
        return None
    if name in COUNTERS:
        section = settings.sopt if name == "sopt" else settings.ctp
        simulated = any(front.startswith("sim:") for front in (*section.md_fronts, *section.td_fronts))
    elif name in MARKETS:
        given = [part.removeprefix("url=") for part in arguments.split(",") if part.startswith("url=")]
        set_urls = [url.reveal() for url in (settings.venue.ws_url, settings.venue.rest_url)]
        simulated = any(_is_loopback(url) for url in given or set_urls)
    else:
        simulated = name == _SIM
    return SIMULATED if simulated else REAL


def _is_loopback(url: str) -> bool:
    host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    return host in ("localhost", "::1", "0.0.0.0") or bool(re.fullmatch(r"127(\.\d+){3}", host))  # noqa: S104


def engine_of(settings: Settings) -> str:
    """`chdb`, `server` for a ClickHouse of the data directory's own, or the address of another."""
    if settings.store.engine == _CHDB:
        return _CHDB
    return LOCAL_SERVER if settings.store.url == LOCAL_SERVER else _address(settings.store.url)


def _address(url: str) -> str:
    return Url(url).bare().rstrip("/")


def directory_of(settings: Settings) -> Path:
    """The directory of a pipeline: without one that was chosen, simulated data have one of their own."""
    chosen = "data_dir" in settings.model_fields_set
    return settings.data_dir if chosen or data_of(settings) != SIMULATED else simulated_below(settings.data_dir)


def read(data_dir: Path) -> dict[str, str]:
    """What a directory remembers: `data` and `engine`, as far as they are known.

    Raises:
        DataDirError: the file is not what this program writes.
    """
    path = data_dir / _FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError(f"{type(found).__name__}, no object")
        return {name: str(found[name]) for name in ("data", "engine") if name in found}
    except FileNotFoundError:
        return _by_its_folders(data_dir)
    except (OSError, ValueError, TypeError) as error:
        raise DataDirError(f"{path}: expected what `marketprism up` writes there, was {reason_of(error)}") from error


def _by_its_folders(data_dir: Path) -> dict[str, str]:
    """What can be seen of a directory that is older than the file."""
    for folder, engine in ((_CHDB, _CHDB), ("clickhouse", LOCAL_SERVER)):
        if (data_dir / folder).is_dir():
            return {"data": REAL, "engine": engine}
    return {}


def claim_directory(settings: Settings) -> None:
    """Remember what the directory of these settings holds from now on; the caller holds its lock.

    Raises:
        OtherContents: it holds something else.
        DataDirError: the file cannot be read or written.
    """
    folder, data, engine = settings.data_dir, data_of(settings), engine_of(settings)
    there = read(folder)
    if data is not None and there.get("data", data) != data:
        raise OtherContents(_other_data(folder, data, settings.source.spec.partition(":")[0]))
    if there.get("engine", engine) != engine:
        raise OtherContents(_other_engine(folder, there["engine"], engine))
    now = {**there, "engine": engine, **({"data": data} if data is not None else {})}
    if now == there and (folder / _FILE).exists():
        return
    try:
        write_private(folder / _FILE, json.dumps(now, indent=1) + "\n")
    except OSError as error:
        raise DataDirError(f"data directory {folder}: expected a writable directory: {error.strerror}") from error


def _other_data(folder: Path, data: str, name: str) -> str:
    if data == SIMULATED:
        return (
            f"data directory {folder}: expected a source of real data, as it holds, and {name} is simulated here; "
            f"give another --data-dir, like {simulated_below(folder)}"
        )
    return (
        f"data directory {folder}: expected a simulated source, as its data are, and {name} is real; "
        f"give another --data-dir, like {folder}-real"
    )


def _other_engine(folder: Path, there: str, asked: str) -> str:
    how = {
        _CHDB: "start without --clickhouse",
        LOCAL_SERVER: "start with --clickhouse server",
    }.get(there, f"start with --clickhouse {there}")
    names = {_CHDB: "chDB", LOCAL_SERVER: "a ClickHouse server of its own"}
    return (
        f"data directory {folder}: its rows are in {names.get(there, f'ClickHouse at {there}')}, "
        f"was started with {names.get(asked, f'ClickHouse at {asked}')}; {how} as before, or give another --data-dir. "
        f"A server that has moved: its new address belongs into {folder / _FILE}"
    )


async def claim_pipeline(connection: NatsConnection, settings: Settings) -> None:
    """Remember in NATS what kind of data this pipeline holds; who comes first decides.

    Raises:
        SourceError: it holds data of the other kind.
        SdkError: NATS does not take it.
    """
    data = data_of(settings)
    if data is None:
        return
    bucket = await NatsKeyValue.open(connection, BUCKET, replicas=settings.nats.replicas)
    entry = await bucket.get(KEY)
    there = entry.value.decode(errors="replace") if entry is not None else ""
    if entry is not None and there not in (REAL, SIMULATED):
        await bucket.delete(KEY)  # somebody else's value: what the sources say holds
        there = ""
    if not there:
        there = await _by_its_sources(connection) or data
        try:
            await bucket.create(KEY, there.encode())
        except KeyExists:  # another gateway starts at the same moment
            entry = await bucket.get(KEY)
            there = entry.value.decode(errors="replace") if entry is not None else there
    if there != data:
        name = settings.source.spec.partition(":")[0]
        raise SourceError(
            f"source {name}: expected {there} data, as the pipeline at {connection.url} holds, was {data}; "
            f"give it a NATS and a store of its own"
        )


async def claim_store(connection: NatsConnection, settings: Settings) -> None:
    """Remember in NATS which folder of chDB this pipeline's storage writes: another one beside it cannot take over.

    Raises:
        SettingsError: a storage with another folder runs.
        SdkError: NATS does not take it.
    """
    if settings.store.engine != _CHDB:
        return
    bucket = await NatsKeyValue.open(connection, BUCKET, replicas=settings.nats.replicas)
    mine = f"{socket.gethostname()}:{settings.data_dir}"
    entry = await bucket.get(FOLDER_KEY)
    there = entry.value.decode(errors="replace") if entry is not None else mine
    if there != mine and (others := await _running(connection)):
        raise SettingsError(
            f"store.engine: expected one folder of rows, was chdb with {mine} beside {', '.join(others)}, which writes "
            f"{there}: neither could take over from the other. Give them one --data-dir on one machine, or a "
            "ClickHouse server (store.engine = clickhouse)"
        )
    if entry is None or there != mine:
        await bucket.put(FOLDER_KEY, mine.encode())


async def _running(connection: NatsConnection) -> list[str]:
    """The instances of storage that answer."""
    discovery = Discovery(NatsKeyValue.existing(connection, "service_instances"))
    await discovery.refresh()
    records = [record for record in discovery.instances() if record.service == "storage"]
    return [record.instance for record in records if not await is_away(connection, record)]


async def _by_its_sources(connection: NatsConnection) -> str:
    """What kind of data a pipeline holds that is older than the bucket; empty for none."""
    entries = await NatsKeyValue(connection, streams.SOURCE_POSITIONS).entries_if_there()
    names = [position.source for position in positions_in(entries) if not position.group]
    return _kind_of(names) if names else ""


def _kind_of(names: Iterable[str]) -> str:
    return SIMULATED if all(name.partition(":")[0] == _SIM for name in names) else REAL
