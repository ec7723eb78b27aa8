"""Older parts on another volume of the same server: whether it has the storage policy, and what has to change.

A table's policy can be replaced only by one that has every volume of it, with every disk: parts may lie on any of them.
So a policy is never taken away again; without days a table has no move, and its parts stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from marketprism_adapters.clickhouse.sql.engine import Engine
from marketprism_adapters.clickhouse.topology import DATABASE, Topology
from marketprism_application.errors import TierError

_VOLUMES = (
    "SELECT {host} AS host, policy_name AS policy, volume_name AS volume, arrayStringConcat(disks, ',') AS disks "
    "FROM {of} ORDER BY host, policy, volume_priority"
)
_TABLES = "SELECT {host} AS host, name, storage_policy AS policy FROM {of} WHERE database = '" + DATABASE + "'"

Policies = Mapping[str, Mapping[str, frozenset[str]]]  # disks by volume, in the order of the policy, by policy


class TableOfServer(NamedTuple):
    """A table, and the storage policy that it has on one server."""

    host: str
    name: str
    policy: str


async def tier_statements(engine: Engine, topology: Topology) -> list[str]:
    """Statements that give tables the policy of the settings where a server has another one for them.

    Raises:
        TierError: a server has no such policy or volume, or cannot change to it; names the setting and what there is.
        StoreError: the store does not answer.
    """
    if not topology.tier_days:
        return []
    servers = policies_of((await engine.fetch(_of(_VOLUMES, "storage_policies", topology))).to_pylist())
    found = (await engine.fetch(_of(_TABLES, "tables", topology))).to_pylist()
    tables = [TableOfServer(str(row["host"]), str(row["name"]), str(row["policy"])) for row in found]
    return needed(topology, servers, tables)


def policies_of(rows: Iterable[Mapping[str, object]]) -> Mapping[str, Policies]:
    """Policies by server, of rows (host, policy, volume, disks with commas) in the order of the volumes."""
    servers: dict[str, dict[str, dict[str, frozenset[str]]]] = {}
    for row in rows:
        policies = servers.setdefault(str(row["host"]), {})
        policies.setdefault(str(row["policy"]), {})[str(row["volume"])] = frozenset(str(row["disks"]).split(","))
    return servers


def needed(topology: Topology, servers: Mapping[str, Policies], tables: Sequence[TableOfServer]) -> list[str]:
    """The statements, each table once whatever the number of its servers.

    Raises:
        TierError: as `tier_statements`.
    """
    wanted, volume = topology.tier_policy, topology.tier_volume
    for host, policies in servers.items():
        if wanted not in policies:
            raise TierError(
                f"store.tier_policy: expected a storage policy of the server {host} ({', '.join(sorted(policies))}), "
                f"was {wanted}"
            )
        behind = list(policies[wanted])[1:]  # new parts are made on the first
        if volume not in behind:
            raise TierError(
                f"store.tier_volume: expected a volume behind the first of the policy {wanted} "
                f"({', '.join(behind) or 'it has one volume'}), was {volume}"
            )
    statements: dict[str, None] = {}
    for each in tables:
        table = each.name.removesuffix("_local")
        if (table != each.name) != bool(topology.cluster):  # a table over the shards has no parts
            continue
        if not topology.tier_of(table) or each.policy == wanted:
            continue
        policies = servers.get(each.host, {})
        present, new = policies.get(each.policy, {}), policies.get(wanted, {})
        if any(not disks <= new.get(name, frozenset()) for name, disks in present.items()):
            has = "; ".join(f"{name}: {', '.join(sorted(disks))}" for name, disks in present.items())
            raise TierError(
                f"store.tier_policy: expected every volume and disk of the policy {each.policy} that {table} has "
                f"({has}), was {wanted}"
            )
        statements |= dict.fromkeys(topology.tiering(table))
    return list(statements)


def _of(statement: str, table: str, topology: Topology) -> str:
    if not topology.cluster:
        return statement.format(host="hostName()", of=f"system.{table}")
    host = "concat(hostName(), ' of shard ', toString(_shard_num))"
    return statement.format(host=host, of=f"clusterAllReplicas('{topology.cluster}', system.{table})")


__all__ = ["Policies", "TableOfServer", "needed", "policies_of", "tier_statements"]
