"""Numbered migrations with checksums.

What is applied is recorded in the database; an applied migration that has changed since, or one that this program does
not know, stops it: an older program must not write to a newer database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from marketprism_adapters.sql.schema import DATABASE, DEAD_LETTERS, create_table
from marketprism_application.contracts.kinds import BAR, EVENT, GAP, INSTRUMENT, QUALITY, TICK
from marketprism_application.errors import StoreError

LEDGER = f"""CREATE TABLE IF NOT EXISTS {DATABASE}.schema_migrations (
  number UInt32, name String, checksum String, ts_applied DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree ORDER BY number"""


class Migration(NamedTuple):
    """Statements that bring the schema one step further."""

    number: int
    name: str
    statements: tuple[str, ...]

    @property
    def title(self) -> str:
        """Number and name."""
        return f"{self.number:04d} {self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the statements."""
        return hashlib.sha256("\n;\n".join(self.statements).encode()).hexdigest()


MIGRATIONS = (
    Migration(1, "ticks and bars", (create_table(TICK), create_table(BAR))),
    Migration(2, "gaps, quality, events, instruments", tuple(map(create_table, (GAP, QUALITY, EVENT, INSTRUMENT)))),
    Migration(3, "dead letters", (DEAD_LETTERS,)),
)


def pending(applied: Sequence[tuple[int, str]], known: Sequence[Migration] = MIGRATIONS) -> list[Migration]:
    """Migrations still to apply, given (number, checksum) of the applied ones.

    Raises:
        StoreError: the database is newer than this program, or a migration was altered after it was applied.
    """
    by_number = {migration.number: migration for migration in known}
    for number, checksum in applied:
        migration = by_number.get(number)
        if migration is None:
            raise StoreError(
                f"schema: expected migrations up to {max(by_number)}, the database has {number}: it is newer"
            )
        if migration.checksum != checksum:
            raise StoreError(f"schema: migration {number} ({migration.name}) was altered after it was applied")
    done = {number for number, _ in applied}
    return [migration for migration in known if migration.number not in done]
