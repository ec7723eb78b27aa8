"""`docs/tables.md`: every table and view with what its columns mean."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

from marketprism_adapters.clickhouse.migrations import MIGRATIONS
from marketprism_adapters.clickhouse.sql.columns import columns_of
from marketprism_adapters.clickhouse.sql.schema import PROVENANCE
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.contracts.kinds import KINDS, DataKind
from tests.support.reference import columns as meanings
from tests.support.reference.markdown import code, table

_OWN = {
    "schema_migrations": "Migrations that were applied, with their checksums.",
    "dead_letters": "Rows that the store refused for what they hold; `marketprism dead-letters` lists and redrives them.",
    "store_identity": "One row: which store this is. A watermark belongs to a store.",
    "backtests": "Runs, sweeps and walk-forwards of backtests that have ended, a row each; `document` is the whole record.",
    "backtest_runs": "Each run of them (`run`: its number in a sweep, 0 of a single one); `document` is all that it says of itself.",
    "backtest_stats": "Statistics of each run, with their conventions.",
    "backtest_files": "Texts that belong to a run, in pieces: its page, an uploaded file.",
    "backtest_fills": "Fills of a run, each with its evidence.",
    "backtest_orders": "Orders of a run.",
    "backtest_positions": "Round trips of a run.",
    "backtest_decisions": "Calls by which a strategy changed an order or a target.",
    "backtest_equity": "The account at the end of each trading day of a run.",
    "backtest_series": "What a strategy has recorded.",
    "store_progress": "How far each stream has been stored here, and when the server took the message there.",
}


def view_of(kind: DataKind) -> str:
    """Name of the view over a kind's table."""
    return f"v_{kind.table.removeprefix('market_')}"


def key_of(kind: DataKind) -> str:
    """The columns a table is ordered by, as the last migration has them."""
    key = ""
    for statement in (text for step in MIGRATIONS for text in step.statements):
        if re.match(rf"(CREATE TABLE IF NOT EXISTS|ALTER TABLE) {DATABASE}\.{kind.table}\b", statement):
            for found in re.findall(r"ORDER BY \(([^)]*)\)", statement):
                key = found
    return key


def partition_of(kind: DataKind) -> str:
    """How a table is cut into partitions, where no setting says otherwise."""
    for statement in (text for step in MIGRATIONS for text in step.statements):
        if f"EXISTS {DATABASE}.{kind.table} (" in statement and (found := re.search(r"PARTITION BY (.+)", statement)):
            return found[1]
    return ""


def comments_of(model: type[Any]) -> dict[str, str]:
    """The comment behind each field of a class, where it has one."""
    source = inspect.getsource(model)
    lines = source.splitlines()
    found = {}
    for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            _, _, comment = lines[node.lineno - 1].partition("  # ")
            if comment:
                found[node.target.id] = f"{comment[0].upper()}{comment[1:]}."
    return found


def meaning_of(kind: DataKind, field: str) -> str:
    """What a field means, "" where nobody says it."""
    return comments_of(kind.model).get(field) or meanings.MEANINGS.get(field, "")


def _columns(kind: DataKind) -> list[tuple[str, str, str]]:
    rows = []
    for field, group in columns_of(kind.name):
        for column in group:
            text = meaning_of(kind, field)
            if len(group) > 1:
                text = f"{text.rstrip('.')}: {column.name.rpartition('_')[2]} of each level."
            rows.append((code(column.name), code(column.stored), text))
    return rows


def _section(kind: DataKind) -> str:
    text = inspect.cleandoc(kind.model.__doc__ or "")
    return f"""## {kind.table}

View: {code(f"{DATABASE}.{view_of(kind)}")}. Key: {code(key_of(kind))}. Partitions: {code(partition_of(kind))}. From the stream {code(kind.stream)}.

{text}

{table(("Column", "Type", "Meaning"), _columns(kind))}"""


def tables_page() -> str:
    """The page."""
    newest = MIGRATIONS[-1]
    own = table(("Table", "Holds"), [(code(name), text) for name, text in _OWN.items()])
    provenance = [(code(name), code(kind), meanings.PROVENANCE[name]) for name, kind in PROVENANCE]
    provenance.append(
        (code("row_version"), code("UInt64"), f"{meanings.PROVENANCE['row_version']} `market_bars` only.")
    )
    sections = "\n\n".join(_section(kind) for kind in KINDS.values())
    return f"""# Tables

The database is `{DATABASE}`, in ClickHouse and in the embedded chDB alike; its schema is that of migration {newest.title}.

**Read the views.** Every table is a `ReplacingMergeTree`: what was written again (a bar's revision, a repeat after a crash) lies beside
the earlier row until the server merges them, so that a plain `SELECT` from a table may give both. `SELECT … FROM {DATABASE}.market_bars FINAL`
gives the last one; the views `{DATABASE}.v_…` do that by themselves:

```sql
SELECT ts_open, open, high, low, close, volume FROM {DATABASE}.v_bars
WHERE symbol = 'rb2505' AND interval = '1m' AND ts_open >= '2025-03-03 00:00:00' ORDER BY ts_open
```

Times are UTC with nanoseconds, prices and amounts exact decimals of 18 digits behind the point, NULL where the venue sent nothing. Name
`symbol` and a range of time: those are the key. The embedded store is open in one process only, the storage service; ask it over HTTP
or with `MarketClient`. How long rows stay is `store.keep_days` of the [settings](settings.md), for ever where it says nothing.
`marketprism schema reader` makes a user who can read and nothing else. On a cluster each table is `<table>_local`, and `<table>` and the
views are over all shards.

This page is made of the code by `make docs`.

Columns that every table of records has besides, not in the views:

{table(("Column", "Type", "Meaning"), provenance)}

Tables that hold no records:

{own}

Results of backtests are known by `record`, `run` and `row`; `version` is when the attempt began that wrote them, and `more` has as JSON what no column has.
Ask for them with `FINAL`: `SELECT * FROM {DATABASE}.backtest_fills FINAL WHERE record = '…' ORDER BY run, row`.

{sections}
"""
