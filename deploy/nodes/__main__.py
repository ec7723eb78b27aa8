"""`python -m deploy.nodes`: files for three machines, or the three machines as network namespaces of this one (root).

files OUT --node A --node B --node C --store D     what each machine needs, below OUT
up | down | status [--json]                        hosts on this machine, below --folder
lose NODE | back NODE | cut NODE | heal NODE       a power cut, the network; NODE is 1, 2 or 3
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from deploy.nodes.files import Team, write
from deploy.nodes.lab import Lab, running
from deploy.nodes.network import HostError

from marketprism_application.errors import DataDirError, LocalServerError
from marketprism_sdk.errors import ConfigurationError

_FOLDER = Path("/var/tmp/marketprism-nodes")  # noqa: S108 (made for its owner alone)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.nodes", description=__doc__.split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    files = commands.add_parser("files", help="write the files of three machines")
    files.add_argument("out", type=Path)
    files.add_argument("--node", action="append", required=True, help="address of a node; three times")
    files.add_argument("--store", required=True, help="address of the ClickHouse server")
    files.add_argument("--store-user", default="", help="user:password of who writes")
    files.add_argument("--store-reader", default="", help="user:password of who reads")
    files.add_argument("--services", default="", help="with commas between; all without")
    files.add_argument("--source", default="none", help="what the gateways read")
    files.add_argument("--client", action="append", default=[], help="a client of NATS, beside those it has; repeated")
    files.add_argument("--site", action="append", default=[], help="a site that a leaf node joins; repeated")
    files.add_argument("--without", action="append", default=[], help="a client or a site that is to go; repeated")
    files.add_argument("--tls", action="store_true", help="certificates, of an authority of your own")
    for name in ("up", "down", "status", "lose", "back", "cut", "heal"):
        command = commands.add_parser(name)
        command.add_argument("--folder", type=Path, default=_FOLDER, help="files, data and logs of the hosts")
        command.add_argument("--tag", default="mp", help="begins the names of the hosts")
        command.add_argument("--subnet", default="10.77.0", help="three numbers of their addresses")
        if name == "up":
            command.add_argument(
                "--services", default="", help="some of the services, with commas between; all without"
            )
            command.add_argument("--source", default="none", help="what the gateways read")
            command.add_argument("--speed", default="max", help="of a source that is played")
        elif name not in ("down", "status"):
            command.add_argument("node", type=int, choices=(1, 2, 3))
    return parser


def _services(text: str) -> dict[str, tuple[str, ...]]:
    return {"services": tuple(text.split(","))} if text else {}


def _lab(given: argparse.Namespace) -> Lab:
    nodes = tuple(f"{given.subnet}.{last}" for last in (11, 12, 13))
    team = Team(nodes=nodes, store=f"{given.subnet}.14")
    if given.command == "up":
        chosen = _services(given.services)
        team = Team(nodes=nodes, store=team.store, source=given.source, speed=given.speed, max_store_gb=2.0, **chosen)  # type: ignore[arg-type]
    return Lab(given.folder, given.tag, given.subnet, team)


def _status(lab: Lab) -> int:
    if not lab.network.there:
        print("not up")
        return 1
    for name, address, count in running(lab):
        print(f"{name:<16} {address:<14} {count} processes", flush=True)
    users = lab.folder / "etc" / "users"
    environment = {**os.environ, "MARKETPRISM_NATS__URL": lab.team.nats_url, "MARKETPRISM_NATS__USERS": str(users)}
    program = [sys.executable, "-m", "marketprism_services", "status"]
    return subprocess.run(program, env=environment, check=False).returncode  # noqa: S603


def _act(given: argparse.Namespace) -> int:
    if given.command == "files":
        chosen = _services(given.services)
        team = Team(
            nodes=tuple(given.node),
            store=given.store,
            source=given.source,
            tls=given.tls,
            clients=tuple(given.client),
            sites=tuple(given.site),
            without=tuple(given.without),
            store_users=(given.store_user, given.store_reader),
            **chosen,  # type: ignore[arg-type]
        )
        write(team, given.out)
        print(f"{given.out}: a folder a node; each goes to {team.etc} of its machine")
        return 0
    lab = _lab(given)
    if given.command == "status":
        return _status(lab)
    if given.command == "up":
        lab.up()
        print(f"{lab.team.nats_url}; files, data and logs in {lab.folder}")
    elif given.command == "down":
        lab.down()
    else:
        number = given.node - 1
        host = lab.nodes[number]
        {"lose": host.lose, "back": lambda: lab.start_node(number), "cut": host.cut, "heal": host.heal}[given.command]()
    return 0


def main() -> int:
    """The exit code."""
    given = _arguments().parse_args()
    try:
        return _act(given)
    except (HostError, DataDirError, ConfigurationError, LocalServerError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
