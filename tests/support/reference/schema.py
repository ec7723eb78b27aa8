"""`migrations/whole/schema.sql`: the schema as all migrations leave it, as the embedded engine describes it."""

from __future__ import annotations

import asyncio
import re

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.migrations import LEDGER, MIGRATIONS, created_tables
from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.topology import DATABASE

_OWN = re.compile(r"(,|\nSETTINGS) index_granularity = 8192")  # a setting of the server, which no migration names


async def go_through_migrations(engine: Engine) -> None:
    """Make the schema in an empty database by one migration after the other, recorded nowhere."""
    for statement in (f"CREATE DATABASE IF NOT EXISTS {DATABASE}", LEDGER):
        await engine.execute(statement)
    for statement in (text for step in MIGRATIONS for text in step.statements):
        await engine.execute(statement)


async def _created() -> dict[str, str]:
    engine = await ChdbEngine.open(None)
    try:
        await go_through_migrations(engine)
        found = await engine.fetch(
            "SELECT name, formatQuery(create_table_query) AS created FROM system.tables "
            f"WHERE database = '{DATABASE}' AND name != 'schema_migrations' ORDER BY name"
        )
        return {str(row["name"]): str(row["created"]) for row in found.to_pylist()}
    finally:
        await engine.close()


def schema_file() -> str:
    """The file: tables, the newest first, and the views of them."""
    created = asyncio.run(_created())
    names = created_tables()[::-1]
    names += [name for name in created if name not in names]
    texts = []
    for name in names:
        text = _OWN.sub("", created[name]).replace("`", "")
        texts.append(re.sub(r"^CREATE (TABLE|VIEW) ", r"CREATE \1 IF NOT EXISTS ", text))
    return ";\n\n".join(texts) + ";\n"
