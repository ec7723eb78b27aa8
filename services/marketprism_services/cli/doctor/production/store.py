"""ClickHouse: version, database, replication, rights, connections that stay, and who comes in."""

from __future__ import annotations

import re

from marketprism_adapters.clickhouse.server_facts import NEEDED, StoreFacts, numbers_of
from marketprism_adapters.clickhouse.topology import DATABASE
from marketprism_services.cli.doctor.finding import Finding, Grade, judged, ok, warning, wrong
from marketprism_services.settings.settings import Settings

_ENGINES = {"Atomic", "Replicated"}
_MUCH = "CREATE USER|ACCESS MANAGEMENT|SYSTEM SHUTDOWN|SOURCES|FILE|URL|REMOTE"
_ALL = re.compile(rf"GRANT (ALL\b|.*\b({_MUCH})\b).* ON \*\.\*")
_WRITES = re.compile(r"\b(INSERT|ALTER|CREATE TABLE|DROP|TRUNCATE|ALL)\b")
_DELAY_S = 60.0


def embedded() -> Finding:
    """The store of one process."""
    text = "embedded (chDB): one process has it, and who takes over opens it anew"
    todo = '`[store] engine = "clickhouse"` with the URL of a server or of a cluster'
    return warning("engine of the store", text, "a ClickHouse server", todo)


def judge(found: StoreFacts, settings: Settings) -> list[Finding]:
    """Everything that the server has told its writer."""
    good = numbers_of(found.version) >= NEEDED
    todo = "upgrade the server: docs/upgrading.md"
    expected = "24.12 or newer, for merge_selector_base"
    return [
        judged("ok" if good else "wrong", "ClickHouse version", found.version, expected, todo),
        _database(found),
        _keep_alive(found, settings),
        *_replication(found, settings),
        _rights(found),
    ]


def _database(found: StoreFacts) -> Finding:
    engine = found.database_engine
    if engine is None:
        todo = "start storage, which makes it, or `marketprism schema apply`"
        return warning("ClickHouse database", f"{DATABASE} is not there, or may not be seen", "made by storage", todo)
    expected, todo = "Atomic or Replicated", "make it anew as Atomic and copy the tables"
    grade: Grade = "ok" if engine in _ENGINES else "wrong"
    return judged(grade, "ClickHouse database", f"{DATABASE}, engine {engine}", expected, todo)


def _keep_alive(found: StoreFacts, settings: Settings) -> Finding:
    """A writer that inserts every few seconds connects anew for each where the server closes sooner."""
    least = max(3, round(settings.store.quiet_ms / 500))
    if found.keep_alive_s is None:
        return ok("ClickHouse keep-alive", "not known to this user")
    grade: Grade = "ok" if found.keep_alive_s >= least else "warning"
    todo = f"<keep_alive_timeout>{max(10, least)}</keep_alive_timeout> in config.d"
    return judged(grade, "ClickHouse keep-alive", f"{found.keep_alive_s} s", f"{least} s, twice store.quiet_ms", todo)


def _replication(found: StoreFacts, settings: Settings) -> list[Finding]:
    if not settings.store.cluster:
        return [ok("ClickHouse replication", "one server: its disk and the backups are the copies")]
    todo = "look at Keeper and system.replicas of that server"
    if not found.delays_s:
        text = "store.cluster is set, and no replicated table is there"
        return [wrong("ClickHouse replication", text, "replicated tables", "start storage, which makes the tables")]
    late = {table: delay for table, delay in found.delays_s.items() if delay > _DELAY_S}
    if found.read_only:
        text = f"read only, without Keeper: {', '.join(found.read_only)}"
        return [wrong("ClickHouse replication", text, "every replica writes", todo)]
    if late:
        text = f"behind by up to {max(late.values()):.0f} s: {', '.join(late)}"
        return [warning("ClickHouse replication", text, "less than a minute behind", todo)]
    grade: Grade = "ok" if found.replicas > 1 else "warning"
    text = f"{len(found.delays_s)} tables, {found.replicas} replicas of each at least"
    return [judged(grade, "ClickHouse replication", text, "two replicas of each shard", todo)]


def _rights(found: StoreFacts) -> Finding:
    what = f"ClickHouse user {found.user}"
    todo = "GRANT what docs/runbooks/operate/install.md lists, REVOKE the rest"
    if not found.grants:
        return warning(what, "its rights may not be seen", "SHOW GRANTS", todo)
    if any(_ALL.search(line) for line in found.grants):
        return wrong(what, "may do everything on every database", f"rights on {DATABASE} alone", todo)
    return ok(what, "is no administrator")


def reader(found: StoreFacts) -> Finding:
    """The user of store.read_url."""
    what = f"ClickHouse user {found.user}"
    if any(_WRITES.search(line.partition(" ON ")[0]) for line in found.grants):
        return wrong(what, "reads for others and may write", "SELECT alone", "`marketprism schema reader` makes one")
    return ok(what, "may read alone")


def no_reader() -> Finding:
    """Nobody of its own reads: store.read_url is not set."""
    text = "questions are asked as the writer"
    return warning("store.read_url", text, "a user who may read alone", "`marketprism schema reader` makes one")


def anybody(*, comes_in: bool | None) -> list[Finding]:
    """Whether `default` is taken without a password."""
    if not comes_in:
        return []
    todo = "a password for `default` in users.d, or take it away"
    return [wrong("ClickHouse user default", "comes in without a password", "nobody does", todo)]


__all__ = ["anybody", "embedded", "judge", "no_reader", "reader"]
