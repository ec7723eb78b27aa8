"""What a data directory, and a pipeline, holds: real or simulated data, and which engine has the rows (ADR 39).

`<data_dir>/contents.json` and the key `data` of the bucket `pipeline_contents` remember it from the first source that
was read, the file from the first start as well which engine is used. What does not fit is refused before anything is
read.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import structlog

from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.errors import DataDirError, SourceError
from marketprism_sdk.errors import reason_of
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.private_files import write_private
from marketprism_sdk.urls import Url
from marketprism_services.platform.data_dir_lock import simulated_below
from marketprism_services.settings.sections import LOCAL_SERVER, NO_SOURCE
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.addresses import is_loopback, may_be_one_server
from marketprism_services.wiring.pipeline_contents import BUCKET, KEY, REAL, SIM, SIMULATED, claim
from marketprism_services.wiring.source_names import COUNTERS

log = structlog.get_logger()

_FILE = "contents.json"
UNFINISHED = "restoring"  # a file that a restore leaves there until it has ended
_CAPTURE = "capture"
_CHDB = "chdb"


class OtherContents(DataDirError):
    """The data directory holds data of the other kind, or its rows are in another engine; the text says what to do."""


def data_of(settings: Settings) -> str | None:
    """`real` or `simulated`, by the source that the settings name; None where they name none.

    Simulated are `sim`, a counter whose fronts are `sim:`, a crypto venue at an address of this machine, and a capture
    of any of them; `source.simulated` decides of what could be either.

    Raises:
        SourceError: fronts of both kinds, or what is simulated is said to be real.
    """
    name, _, arguments = settings.source.spec.partition(":")
    if name == NO_SOURCE:
        return None
    if name == SIM or (name in COUNTERS and _has_simulated_fronts(settings, name)) or _is_simulated_capture(settings):
        if settings.source.simulated is False:
            raise SourceError(f"source.simulated: expected true for {name}, which is simulated here, was false")
        return SIMULATED
    simulated = settings.source.simulated
    if simulated is None and name in MARKETS:
        given = [part.removeprefix("url=") for part in arguments.split(",") if part.startswith("url=")]
        set_urls = [url.reveal() for url in (settings.venue.ws_url, settings.venue.rest_url) if url]
        simulated = any(is_loopback(url) for url in given or set_urls)
    return SIMULATED if simulated else REAL


def is_simulated(settings: Settings) -> bool:
    """Whether the source of these settings is no market. Raises as `data_of` does."""
    return data_of(settings) == SIMULATED


def _is_simulated_capture(settings: Settings) -> bool:
    name, _, arguments = settings.source.spec.partition(":")
    if name != _CAPTURE or not arguments:
        return False
    from marketprism_adapters.sources.captured import holds_simulated  # noqa: PLC0415 (loads the recordings' readers)

    return holds_simulated(arguments)


def _has_simulated_fronts(settings: Settings, name: str) -> bool:
    section = settings.sopt if name == "sopt" else settings.ctp
    fronts = [*(front for front, _ in section.logins), *section.td_fronts]
    simulated = sum(front.startswith("sim:") for front in fronts)
    if 0 < simulated < len(fronts):
        raise SourceError(
            f"{name}: expected fronts of one kind in md_fronts, td_fronts and others, "
            f"was {simulated} of sim: among {len(fronts)}"
        )
    return simulated > 0


def engine_of(settings: Settings) -> str:
    """`chdb`, `server` for a ClickHouse of the data directory's own, or the address of another."""
    if settings.store.engine == _CHDB:
        return _CHDB
    return LOCAL_SERVER if settings.store.url == LOCAL_SERVER else _address(settings.store.url)


def _address(url: str) -> str:
    return Url(url).bare().partition("?")[0].rstrip("/")


def _is_same_engine(there: str, asked: str) -> bool:
    names = (_CHDB, LOCAL_SERVER)
    return there == asked or (there not in names and asked not in names and may_be_one_server(there, asked))


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
    """The engine, as it can be seen of a directory that is older than the file; nothing where both were used."""
    engines = [name for folder, name in ((_CHDB, _CHDB), ("clickhouse", LOCAL_SERVER)) if (data_dir / folder).is_dir()]
    return {"engine": engines[0]} if len(engines) == 1 else {}


def check_directory(settings: Settings) -> dict[str, str]:
    """What the directory of these settings remembers, which they fit; nothing is written.

    Raises:
        OtherContents: it holds something else.
        DataDirError: the file cannot be read, or a restore into the directory was broken off.
        SourceError: the settings do not say of which kind their data are.
    """
    folder, data, engine = settings.data_dir, data_of(settings), engine_of(settings)
    if (folder / UNFINISHED).exists():
        raise DataDirError(
            f"data directory {folder}: expected a whole one, was one whose restore was broken off; "
            "delete it, and restore it again"
        )
    there = read(folder)
    if data is not None and there.get("data", data) != data:
        raise OtherContents(_other_data(folder, data, settings.source.spec.partition(":")[0]))
    if not _is_same_engine(there.get("engine", engine), engine):
        raise OtherContents(_other_engine(folder, there["engine"], engine))
    return there


def claim_directory(settings: Settings, data: str | None) -> None:
    """Remember what the directory of these settings holds from now on; the caller holds its lock.

    `data` is what its pipeline answered, None for one that reads nothing.

    Raises:
        OtherContents: it holds something else.
        DataDirError: the file cannot be read or written.
    """
    folder, there = settings.data_dir, check_directory(settings)
    now = {"engine": engine_of(settings), **there, **({"data": data} if data is not None else {})}
    new = not (folder / _FILE).exists()
    if now == there and not new:
        return
    try:
        write_private(folder / _FILE, json.dumps(now, indent=1) + "\n")
    except OSError as error:
        raise DataDirError.of(folder, error) from error
    if new and there and data is not None:
        log.warning("contents.assumed", where=f"data directory {folder}", data=data)


async def remember_restored(connection: NatsConnection, settings: Settings) -> None:
    """Remember what a directory holds whose streams were restored: what these say. Raises SdkError, OSError."""
    entry = await NatsKeyValue.existing(connection, BUCKET).get(KEY)
    data = entry.value.decode(errors="replace") if entry is not None else ""
    if data in (REAL, SIMULATED):
        text = json.dumps({"engine": engine_of(settings), "data": data}, indent=1) + "\n"
        await asyncio.to_thread(write_private, settings.data_dir / _FILE, text)


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


async def claim_pipeline(connection: NatsConnection, settings: Settings) -> str | None:
    """Remember in NATS what kind of data this pipeline holds, and return it; None for settings without a source.

    Raises:
        SourceError: it holds data of the other kind.
        SdkError: NATS does not take it.
    """
    data = data_of(settings)
    if data is None:
        return None
    there = await claim(connection, data, settings.nats.replicas)
    if there != data:
        name = settings.source.spec.partition(":")[0]
        raise SourceError(
            f"source {name}: expected {there} data, as the pipeline at {connection.url} holds, was {data}; "
            f"give it a NATS and a store of its own"
        )
    return data
