"""Numbered SQL files with checksums; the name of a file is its number and what it does.

What is applied is recorded in the database; an applied migration that has changed since, or one that this program does
not know, stops it: an older program must not write to a newer database. A file is never edited after a release: the
next number changes what it made.

`whole/schema.sql` is the schema as all of them leave it, for a database that has nothing yet: a third of the
statements change what an earlier one made. `python -m tests.support.reference` writes it, by going through the
migrations.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_application.errors import SchemaError

LEDGER = f"""CREATE TABLE IF NOT EXISTS {DATABASE}.schema_migrations (
  number UInt32, name String, checksum String, ts_applied DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree ORDER BY number"""


class Migration(NamedTuple):
    """Statements that bring the schema one step further, as they are for one server without replicas."""

    number: int
    name: str
    statements: tuple[str, ...]

    @property
    def title(self) -> str:
        """Number and name, as `0001 ticks`."""
        return f"{self.number:04d} {self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the statements."""
        return hashlib.sha256("\n;\n".join(self.statements).encode()).hexdigest()


_FOLDER = Path(__file__).parent
WHOLE_FILE = _FOLDER / "whole" / "schema.sql"


def _statements(path: Path) -> tuple[str, ...]:
    text = path.read_text(encoding="utf-8")
    return tuple(part.strip() for part in text.split(";\n") if part.strip())


def _read(path: Path) -> Migration:
    number, _, name = path.stem.partition("_")
    return Migration(int(number), name.replace("_", " "), _statements(path))


MIGRATIONS = tuple(_read(path) for path in sorted(_FOLDER.glob("*.sql")))
WHOLE_SCHEMA = _statements(WHOLE_FILE)  # the newest table first


def created_tables(migrations: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """Names of the tables that migrations make, in their order."""
    made = re.compile(rf"CREATE TABLE IF NOT EXISTS {DATABASE}\.(\w+)")
    return [found[1] for each in migrations for text in each.statements if (found := made.match(text))]


def can_create_whole(applied: int, tables: Collection[str]) -> bool:
    """Whether the schema can be made as it stands, given how many migrations are recorded and what tables there are.

    It can where there is nothing, and where this was begun before: then the newest table is there and no migration is
    recorded, which is never so where migrations are gone through one by one. Two at once go the same way therefore.
    """
    return not applied and (not tables or created_tables()[-1] in tables)


def pending(applied: Sequence[tuple[int, str]], known: Sequence[Migration] = MIGRATIONS) -> list[Migration]:
    """Migrations still to apply, given (number, checksum) of the applied ones.

    Raises:
        SchemaError: the database is newer than this program, or a migration was altered after it was applied.
    """
    by_number = {migration.number: migration for migration in known}
    for number, checksum in applied:
        migration = by_number.get(number)
        if migration is None:
            raise SchemaError(
                f"schema: expected migrations up to {max(by_number)}, the database has {number}: it is newer"
            )
        if migration.checksum != checksum:
            raise SchemaError(f"schema: migration {number} ({migration.name}) was altered after it was applied")
    done = {number for number, _ in applied}
    return [migration for migration in known if migration.number not in done]
