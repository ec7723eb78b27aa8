"""Where tables live: on one server, or replicated and sharded over a cluster; how long they keep what, on which volume,
and in what partitions.

The migrations are written for one server. For a cluster each table becomes `<table>_local`, replicated through Keeper
under the server's macros {shard} and {replica}, and a `Distributed` table takes its name, so that every other statement
stays as it is. A symbol has one shard: its rows meet in one place, where FINAL and the insert token do their work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from marketprism_application.contracts.kinds import KINDS
from marketprism_application.errors import StoreError
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import Bounds

DATABASE = "market"
TABLES = {kind.table for kind in KINDS.values()}
REVISIONS = {
    kind.revisions: kind.table for kind in KINDS.values() if kind.revisions
}  # and the table of the newest ones
PARTITIONS = {"day": "toYYYYMMDD", "month": "toYYYYMM", "year": "toYear"}
TICKS = KINDS["tick"].table
_DENSE = "ZSTD(3)"
_LONGEST_DAYS = 36_500
# Migrations by number: the newest, and the oldest with which this program writes and reads as well.
NEWEST_MIGRATION = 13
OLDEST_MIGRATION = 12
_KEEPER = "/clickhouse/tables/{shard}/"
_NAME = re.compile(rf"\b{DATABASE}\.(\w+)")
_ENGINE = re.compile(r"ENGINE = ReplacingMergeTree(?:\((\w+)\))?")
_PARTITION = re.compile(r"PARTITION BY \w+\((\w+)\)")
_SORTING = re.compile(r",\s*MODIFY ORDER BY \([^)]*\)")
# An interrupted migration is run again from its beginning. Their files are fixed by checksums, so it is done here.
_ADDED = re.compile(r"\bADD COLUMN (?!IF NOT EXISTS )")
_DROPPED = re.compile(r"\bDROP COLUMN (?!IF EXISTS )")
_IDENTIFIER = re.compile(r"[A-Za-z_][\w-]{0,62}")


@dataclass(frozen=True)
class Topology:
    """How the tables are laid out.

    `cluster` is a name in the servers' `remote_servers`, empty for one server. `quorum` is how many replicas must have
    an insert before it counts (a number, or `auto` for a majority): what only one has is lost with it.
    `keep_days` and `partition_by` (day, month, year) are by table; rows are kept for ever where there is no number.
    Of a table in `tier_days` parts of that age are moved to the volume `tier_volume` of the server's storage policy
    `tier_policy`.
    Migrations are applied up to the number `schema_at_most` (0: all): one that is held back keeps the way back to the
    version before open, whose storage writes to no newer schema.
    Ticks are written with the server's quick codec, and compressed densely when they are `dense_days` old (0: never).

    Raises:
        InvalidValue: a name that is no table, or a value that is none; the text names it.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    BOUNDS: ClassVar[Bounds] = {"dense_days": (0, _LONGEST_DAYS), "schema_at_most": (0, NEWEST_MIGRATION)}

    cluster: str = ""
    quorum: str = "auto"
    keep_days: Mapping[str, int] = field(default_factory=dict)
    partition_by: Mapping[str, str] = field(default_factory=dict)
    dense_days: int = 1
    tier_policy: str = ""
    tier_volume: str = "cold"
    tier_days: Mapping[str, int] = field(default_factory=dict)
    schema_at_most: int = 0

    def __post_init__(self) -> None:
        if self.cluster and not _IDENTIFIER.fullmatch(self.cluster):
            raise InvalidValue("store.cluster", "the name of a cluster", self.cluster)
        if self.quorum != "auto" and not self.quorum.isdecimal():
            raise InvalidValue("store.quorum", "auto or a number of replicas", self.quorum)
        if not 0 <= self.dense_days <= _LONGEST_DAYS:
            raise InvalidValue("store.dense_days", f"0 to {_LONGEST_DAYS}", self.dense_days)
        self._check_schema()
        for setting in ("keep_days", "partition_by", "tier_days"):
            for table in getattr(self, setting):
                if table not in TABLES:
                    raise InvalidValue(f"store.{setting}", f"one of {', '.join(sorted(TABLES))}", table)
        for setting, by_table in (("keep_days", self.keep_days), ("tier_days", self.tier_days)):
            for table, days in by_table.items():
                if days < 1:
                    raise InvalidValue(f"store.{setting}.{table}", "at least 1", days)
        self._check_tiers()
        for table, span in self.partition_by.items():
            if span not in PARTITIONS:
                raise InvalidValue(f"store.partition_by.{table}", f"one of {', '.join(PARTITIONS)}", span)

    def _check_schema(self) -> None:
        if self.schema_at_most and not OLDEST_MIGRATION <= self.schema_at_most <= NEWEST_MIGRATION:
            expected = f"0 or {OLDEST_MIGRATION} to {NEWEST_MIGRATION}"
            raise InvalidValue("store.schema_at_most", expected, self.schema_at_most)

    def _check_tiers(self) -> None:
        for setting, name in (("tier_policy", self.tier_policy), ("tier_volume", self.tier_volume)):
            if not _IDENTIFIER.fullmatch(name) and (self.tier_days or name):
                raise InvalidValue(f"store.{setting}", "a name that the server's configuration has", name)
        for table, days in self.tier_days.items():
            if days >= (keep := self.keep_days.get(table, days + 1)):
                raise InvalidValue(f"store.tier_days.{table}", f"less than store.keep_days.{table} ({keep})", days)

    @property
    def write_settings(self) -> dict[str, str]:
        """Settings of a writer's statements: an insert through a Distributed table waits for every shard."""
        if not self.cluster:
            return {}
        return {"distributed_foreground_insert": "1", "insert_quorum": self.quorum, "insert_quorum_parallel": "1"}

    @property
    def read_settings(self) -> dict[str, str]:
        """Settings of a reader's statements: an answer without a shard that is away must be an error."""
        return {"skip_unavailable_shards": "0"} if self.cluster else {}

    def render(self, statement: str) -> list[str]:
        """A statement of a migration as this layout needs it; one that was run before changes nothing."""
        statement = _ADDED.sub("ADD COLUMN IF NOT EXISTS ", statement)
        statement = _DROPPED.sub("DROP COLUMN IF EXISTS ", statement)
        found = _NAME.search(statement)
        table = found.group(1) if found else ""
        if table in self.partition_by:
            function = PARTITIONS[self.partition_by[table]]
            statement = _PARTITION.sub(rf"PARTITION BY {function}(\1)", statement)
        if statement.startswith("INSERT"):  # by the tables over the shards
            return [statement]
        if not self.cluster or not table:
            return [self._on_cluster(statement)] if self.cluster else [statement]
        if " VIEW " in statement:  # of the table over the shards: it has nothing of its own
            return [statement.replace(f"{DATABASE}.{table}", f"{DATABASE}.{table} ON CLUSTER '{self.cluster}'", 1)]
        local = statement.replace(f"{DATABASE}.{table}", f"{DATABASE}.{table}_local ON CLUSTER '{self.cluster}'", 1)
        if statement.startswith("ALTER"):
            columns = "ADD COLUMN" in statement or "DROP COLUMN" in statement
            over = _SORTING.sub("", statement)  # the table over the shards has columns, and no order of its own
            over = over.replace(f"{DATABASE}.{table}", f"{DATABASE}.{table} ON CLUSTER '{self.cluster}'", 1)
            return [local, over] if columns else [local]
        path = f"'{_KEEPER}{DATABASE}/{table}', '{{replica}}'"
        local = _ENGINE.sub(
            lambda m: f"ENGINE = ReplicatedReplacingMergeTree({path}{', ' + m.group(1) if m.group(1) else ''})", local
        ).replace("non_replicated_deduplication_window", "replicated_deduplication_window")
        key = "cityHash64(symbol)" if table in TABLES | REVISIONS.keys() else "0"
        over = (
            f"CREATE TABLE IF NOT EXISTS {DATABASE}.{table} ON CLUSTER '{self.cluster}' AS {DATABASE}.{table}_local\n"
            f"ENGINE = Distributed('{self.cluster}', '{DATABASE}', '{table}_local', {key})"
        )
        return [local, over]

    def _on_cluster(self, statement: str) -> str:
        return re.sub(rf"(CREATE DATABASE IF NOT EXISTS {DATABASE})", rf"\1 ON CLUSTER '{self.cluster}'", statement)

    def retention(self, table: str, current: str) -> list[str]:
        """Statements that bring a table's TTL to the setting, given its present CREATE statement."""
        days = self.keep_days.get(REVISIONS.get(table, table))
        parts = []
        if table == TICKS and self.dense_days:
            parts.append(f"toDateTime(ts_event) + toIntervalDay({self.dense_days}) RECOMPRESS CODEC({_DENSE})")
        if tier := self.tier_of(table):
            parts.append(f"toDateTime(ts_event) + toIntervalDay({tier}) TO VOLUME '{self.tier_volume}'")
        if days:
            parts.append(f"toDateTime(ts_event) + toIntervalDay({days})")
        wanted = ", ".join(parts)
        found = re.search(r"\bTTL (.+?)(?=\s+SETTINGS\b|$)", current, re.S)
        if (found.group(1).strip() if found else "") == wanted:
            return []
        change = f"MODIFY TTL {wanted}" if wanted else "REMOVE TTL"
        return [f"ALTER TABLE {DATABASE}.{table}{self._suffix} {change}"]

    def tier_of(self, table: str) -> int:
        """Days after which parts of a table, or of revisions of its rows, are moved; 0: never."""
        return self.tier_days.get(REVISIONS.get(table, table), 0)

    def tiering(self, table: str) -> list[str]:
        """Statements that give a table the storage policy. When its TTL changes, its parts are not written anew for it:
        what is expired goes by merges, and what is old is moved as it is."""
        settings = f"storage_policy = '{self.tier_policy}', materialize_ttl_recalculate_only = 1"
        return [f"ALTER TABLE {DATABASE}.{table}{self._suffix} MODIFY SETTING {settings}"]

    @property
    def _suffix(self) -> str:
        return f"_local ON CLUSTER '{self.cluster}'" if self.cluster else ""


READ_ONLY_USER = """CREATE USER IF NOT EXISTS {name} IDENTIFIED WITH sha256_password BY '{password}'
  SETTINGS readonly = 2, max_execution_time = {seconds} MAX {seconds}, max_result_rows = {rows} MAX {rows}"""


def read_only_user(name: str, password: str, *, seconds: float, rows: int, cluster: str = "") -> list[str]:
    """Statements that make a user who can read the database `market`, kill his own queries, and nothing else.

    Raises:
        StoreError: a name or password that cannot stand in a statement.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise StoreError(f"name: expected letters, digits and _, was {name!r}")
    if not password or any(c in password for c in "'\\\0\n"):
        raise StoreError("password: expected at least one character, and no quote, backslash or line break")
    user = READ_ONLY_USER.format(name=name, password=password, seconds=int(seconds), rows=rows)
    grant = f"GRANT SELECT ON {DATABASE}.* TO {name}"
    if cluster:
        user = user.replace(f"EXISTS {name}", f"EXISTS {name} ON CLUSTER '{cluster}'", 1)
        grant = grant.replace("GRANT", f"GRANT ON CLUSTER '{cluster}'", 1)
    return [user, grant]
