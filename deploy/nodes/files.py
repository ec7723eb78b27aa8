"""The files of a team's machines: three nodes that carry everything twice, and a host for the store.

    python -m deploy.nodes files OUT --node 10.77.0.11 --node 10.77.0.12 --node 10.77.0.13 --store 10.77.0.14

Each node gets what lies in its `/etc/marketprism`: a nats-server of one cluster, passwords, settings, the names of its
services and what its units have beyond `deploy/systemd`. The same files run on machines and, by `up`, in network
namespaces. Which service runs where comes from the product's list of services.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from deploy.nodes.certificates import authority_in, issue
from deploy.nodes.units import GUARDED, TOGETHER, guarded_server, together

from marketprism_adapters.nats.accounts import passwords_in
from marketprism_adapters.nats.local_server import MOST_CONSUMERS
from marketprism_sdk.private_files import private_folder, write_private
from marketprism_services.platform import nats_users
from marketprism_services.platform.nats_outsiders import outsiders
from marketprism_services.settings.services import SERVICES, Work

COPIES = 2
STORE_PORT = 8123
CLIENTS, ROUTES, GUARDS, MONITORING = 4222, 6222, 6223, 8222
_STREAMS_GB = 20.0
_NATS = "marketprism-nats"


@dataclass(frozen=True, kw_only=True)
class Team:
    """Addresses of the nodes and of the store, and where files lie on each machine.

    `etc` and `data` are folders of a machine; `{node}` in them stands for the node's name, where several share a disk.

    Raises:
        ValueError: names what is wrong.
    """

    nodes: tuple[str, ...]
    store: str
    etc: str = "/etc/marketprism"
    data: str = "/var/lib/marketprism"
    nats_data: str = "/var/lib/marketprism-nats"
    program: str = "/opt/marketprism/venv/bin/marketprism"
    services: tuple[str, ...] = tuple(row.name for row in SERVICES)
    source: str = "none"
    speed: str = "max"
    max_store_gb: float = _STREAMS_GB
    store_users: tuple[str, str] = ("", "")  # user:password of who writes and of who reads
    sync: str = "1s"
    tls: bool = False
    clients: tuple[str, ...] = ()  # beside those that are known, with accounts of their own
    sites: tuple[str, ...] = ()  # that join by a leaf node, beside those that are known
    without: tuple[str, ...] = ()  # clients and sites that are to go

    def __post_init__(self) -> None:
        if len(self.nodes) != 3:
            raise ValueError(f"--node: expected three addresses, were {len(self.nodes)}")
        for address in (*self.nodes, self.store):
            try:
                ip_address(address)
            except ValueError as error:
                raise ValueError(f"address: expected one like 10.77.0.11, was {address!r}") from error
        if len({*self.nodes, self.store}) != 4:
            raise ValueError("--node, --store: expected an address of its own for each machine, was one given twice")
        known = {row.name for row in SERVICES}
        if unknown := [name for name in self.services if name not in known]:
            raise ValueError(f"services: expected some of {', '.join(sorted(known))}, was {unknown[0]!r}")

    @property
    def names(self) -> tuple[str, ...]:
        """`node-1` and so on, in the order of the addresses."""
        return tuple(f"node-{number}" for number in range(1, len(self.nodes) + 1))

    @property
    def nats_url(self) -> str:
        """Every node, for a client."""
        return self.nats_url_of(self.nodes)

    def nats_url_of(self, nodes: Sequence[str]) -> str:
        """Some of them, or all in another order."""
        return ",".join(f"{'tls' if self.tls else 'nats'}://{address}:{CLIENTS}" for address in nodes)

    def on(self, folder: str, node: str) -> str:
        """A folder as that node has it."""
        return folder.replace("{node}", node)


def services_on(team: Team, number: int) -> tuple[str, ...]:
    """The services of a node, 0 to 2: each service on two neighbours, and the pairs go round."""
    chosen = [row.name for row in SERVICES if row.name in team.services]
    count = len(team.nodes)
    return tuple(name for at, name in enumerate(chosen) if number in {(at + copy) % count for copy in range(COPIES)})


def units_on(team: Team, number: int) -> tuple[tuple[str, ...], ...]:
    """The processes of a node: what works with every message of the market apart from everything else."""
    here = services_on(team, number)
    market = {row.name for row in SERVICES if row.work is Work.MARKET}
    groups = (tuple(name for name in here if name in market), tuple(name for name in here if name not in market))
    return tuple(group for group in groups if group)


def nats_conf(team: Team, number: int, route_password: str) -> str:
    """The configuration of a node's nats-server."""
    name, address = team.names[number], team.nodes[number]
    others = [a for a in team.nodes if a != address]
    routes = ", ".join(json.dumps(f"nats://route:{route_password}@{a}:{ROUTES}") for a in others)
    data = json.dumps(team.on(team.nats_data, name))
    nats = f"{team.on(team.etc, name)}/nats"
    own = f"cert_file: {json.dumps(f'{nats}/tls.crt')}, key_file: {json.dumps(f'{nats}/tls.key')}"
    clients = f"tls {{ {own} }}\n" if team.tls else ""
    authority = json.dumps(f"{team.on(team.etc, name)}/ca.pem")
    between = f"  tls {{ ca_file: {authority}, {own}, verify: true }}\n" if team.tls else ""
    sync = team.sync if team.sync == "always" else json.dumps(team.sync)
    return f"""# {name}, one of {len(team.nodes)}. Written by deploy/nodes; write it again after a change.
server_name: "{name}"
listen: "{address}:{CLIENTS}"
{clients}http: "127.0.0.1:{MONITORING}"
cluster {{
  name: "marketprism"
  listen: "{address}:{ROUTES}"
{between}  ping_interval: "1s"
  ping_max: 2
  authorization {{ user: "route", password: {json.dumps(route_password)} }}
  routes: [{routes}]
}}
max_payload: 8MB
write_deadline: "10s"
ping_interval: "5s"
ping_max: 2
jetstream {{
  store_dir: {data}
  max_file_store: {int(team.max_store_gb * 1.1e9)}
  sync_interval: {sync}
  limits {{ default_max_consumers: {MOST_CONSUMERS} }}
}}
include "accounts.conf"
"""


def settings(team: Team, number: int) -> str:
    """The settings file of a node's services."""
    name, address = team.names[number], team.nodes[number]
    mine = (address, *(a for a in team.nodes if a != address))
    authority = f"ca = {json.dumps(f'{team.on(team.etc, name)}/ca.pem')}\n" if team.tls else ""
    store = f"{team.store}:{STORE_PORT}"
    writer, reader = (f"http://{user}@{store}" if user else f"http://{store}" for user in team.store_users)
    return f"""# {name}. Whatever is the same on all nodes has to be changed on all of them.
data_dir = {json.dumps(f"{team.on(team.data, name)}/services")}

[nats]
url = {json.dumps(team.nats_url_of(mine))}
users = {json.dumps(f"{team.on(team.etc, name)}/nats/users")}
{authority}replicas = 3
max_store_gb = {team.max_store_gb}

[source]
spec = {json.dumps(team.source)}
speed = {json.dumps(team.speed)}

[store]
engine = "clickhouse"
url = {json.dumps(writer)}
read_url = {json.dumps(reader)}

[http]
host = {json.dumps(address)}

[api]
auth = "on"
"""


def commands_on(team: Team, number: int) -> dict[str, list[str]]:
    """The program of each unit of a node: `marketprism-nats`, and `marketprism@…` by the first service of a process."""
    etc, data = team.on(team.etc, team.names[number]), team.on(team.nats_data, team.names[number])
    here = team.nodes[number]
    peers = [part for other in team.nodes if other != here for part in ("--peer", f"{other}:{GUARDS}")]
    serve = ["nats", "serve", "--config", f"{etc}/nats/nats.conf", "--store", data, "--listen", f"{here}:{GUARDS}"]
    commands = {_NATS: [*team.program.split(), *serve, *peers]}
    for group in units_on(team, number):
        arguments = ["run", "+".join(group), "--config", f"{etc}/marketprism.toml"]
        commands[f"marketprism@{group[0]}"] = [*team.program.split(), *arguments]
    return commands


def write(team: Team, out: Path) -> None:
    """A folder a node below `out`, as its `/etc/marketprism` is to be; secrets are kept when it is written again. Every
    node's server knows every user, so each has all passwords.

    Raises:
        OSError, DataDirError: it cannot be written. ValueError: the authority's files are none, or a name is none.
    """
    private_folder(out)
    known = outsiders(out, team.clients, team.sites, team.without)
    accounts = nats_users.accounts(known.clients, nameless=False, sites=known.sites)
    passwords = passwords_in(out / "users", accounts.names)
    known.save(out)
    authority = authority_in(out) if team.tls else None
    route = out / "route"
    if not route.exists():
        write_private(route, secrets.token_urlsafe(32))
    for number, name in enumerate(team.names):
        folder = out / name
        for each in (folder, folder / "nats", folder / "nats" / "users", folder / "units"):
            private_folder(each)
        write_private(folder / "nats" / "accounts.conf", accounts.config(passwords))
        known.save(folder / "nats")
        write_private(folder / "nats" / "nats.conf", nats_conf(team, number, route.read_text(encoding="utf-8")))
        write_private(folder / "marketprism.toml", settings(team, number))
        if authority is not None:
            issue(authority, name, team.nodes[number], folder / "nats")
            (folder / "ca.pem").write_text(authority.pem, encoding="ascii")
        for user, password in passwords.items():
            write_private(folder / "nats" / "users" / user, password + "\n")
        groups = units_on(team, number)
        (folder / "services").write_text(" ".join(group[0] for group in groups) + "\n", encoding="utf-8")
        for old in (*(folder / "units").glob(f"*/{TOGETHER}"), *(folder / "units").glob(f"*/{GUARDED}")):
            old.unlink()
            old.parent.rmdir()
        commands = commands_on(team, number)
        guarded = folder / "units" / f"{_NATS}.service.d"
        guarded.mkdir()
        (guarded / GUARDED).write_text(guarded_server(commands[_NATS]), "utf-8")
        for group in groups:
            own = folder / "units" / f"marketprism@{group[0]}.service.d"
            own.mkdir()
            (own / TOGETHER).write_text(together(group, commands[f"marketprism@{group[0]}"]), "utf-8")


__all__ = ["COPIES", "STORE_PORT", "Team", "commands_on", "nats_conf", "services_on", "settings", "units_on", "write"]
