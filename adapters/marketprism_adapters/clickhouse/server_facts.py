"""What a ClickHouse server says of itself to its user: version, clock, rights, and how it is set up."""

from __future__ import annotations

import time
from typing import NamedTuple

import aiohttp

from marketprism_adapters.clickhouse.server_url import HTTP, is_native, parse_server_url
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.errors import StoreError
from marketprism_sdk.errors import reason_of

NEEDED = (24, 12)  # `merge_selector_base`, which migrations set
_WITHIN_S = 3.0


class StoreFacts(NamedTuple):
    """What could be read; None and empty where the user may not read it. `offset_s` is the server's clock less ours,
    `grants` its lines, `delays_s` of replicated tables by name, `read_only` those without their Keeper."""

    version: str
    offset_s: float
    user: str
    grants: tuple[str, ...]
    database_engine: str | None
    keep_alive_s: int | None
    delays_s: dict[str, float] | None
    read_only: tuple[str, ...]
    replicas: int


def numbers_of(version: str) -> tuple[int, int]:
    """`24.12` of `24.12.3.47`; zeros of what is no version."""
    parts = version.split(".")
    return (
        (int(parts[0]), int(parts[1])) if len(parts) > 1 and parts[0].isdecimal() and parts[1].isdecimal() else (0, 0)
    )


async def facts_of(engine: Engine) -> StoreFacts:
    """Ask the server.

    Raises:
        StoreError: it does not answer at all.
    """
    before = time.time()
    statement = "SELECT version() AS version, toUnixTimestamp64Micro(now64(6)) AS ts, currentUser() AS name"
    own = (await engine.fetch(statement)).to_pylist()[0]
    offset = int(own["ts"]) / 1e6 - (before + time.time()) / 2
    engines = await _rows(engine, f"SELECT engine FROM system.databases WHERE name = '{DATABASE}'")
    alive = await _rows(engine, "SELECT value FROM system.server_settings WHERE name = 'keep_alive_timeout'")
    replicas = await _rows(
        engine,
        "SELECT table, toFloat64(absolute_delay) AS delay, is_readonly AS closed, toInt64(active_replicas) AS active "
        f"FROM system.replicas WHERE database = '{DATABASE}'",
    )
    grants = await _rows(engine, "SHOW GRANTS")
    return StoreFacts(
        version=str(own["version"]),
        offset_s=offset,
        user=str(own["name"]),
        grants=tuple(str(next(iter(row.values()))) for row in grants or ()),
        database_engine=str(engines[0]["engine"]) if engines else None,
        keep_alive_s=int(str(alive[0]["value"])) if alive else None,
        delays_s=None if replicas is None else {str(row["table"]): float(str(row["delay"])) for row in replicas},
        read_only=tuple(str(row["table"]) for row in replicas or () if row["closed"]),
        replicas=min((int(str(row["active"])) for row in replicas or ()), default=0),
    )


async def _rows(engine: Engine, statement: str) -> list[dict[str, object]] | None:
    """None where the user may not ask, or the server is too old to know."""
    try:
        return (await engine.fetch(statement)).to_pylist()
    except StoreError:
        return None


async def lets_anybody_in(url: str) -> bool | None:
    """Whether the server takes `default` without a password; None where it has no door for HTTP that can be asked.

    Raises:
        OSError: nobody answers.
    """
    if is_native(url):
        return None
    parts = parse_server_url(url, HTTP)
    host = f"[{parts.host}]" if ":" in parts.host else parts.host
    where = f"{parts.scheme}://{host}:{parts.port or 8123}/"
    timeout = aiohttp.ClientTimeout(total=_WITHIN_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            user = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": ""}
            # What its certificate is worth is another question: nothing is told here, and nothing believed.
            async with session.post(where, data=b"SELECT 1", headers=user, ssl=False) as answer:
                return answer.status == 200 and (await answer.read()).strip() == b"1"
    except (aiohttp.ClientError, TimeoutError) as error:
        raise OSError(reason_of(error)) from error


__all__ = ["NEEDED", "StoreFacts", "facts_of", "lets_anybody_in", "numbers_of"]
