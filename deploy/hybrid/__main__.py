"""`python -m deploy.hybrid`: a colocated site as a leaf node of the cloud.

cloud OUT --listen 10.90.0.1                            leaf.conf of the server that sites join
site OUT --site NAME --users DIR --hub 10.90.0.1        leaf.conf of the site's server
mirrors --nats URL --users DIR --site NAME              make the mirrors in the cloud
status --nats URL --users DIR --site NAME               how far each is; ends with 1 where one is too far behind
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from deploy.hybrid.leaf import STREAMS, cloud_conf, make_mirrors, mirrors, site_conf

from marketprism_adapters.nats.accounts import leaf_user, mirror_user
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.private_files import private_folder, write_private

_GB = 1_000_000_000


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.hybrid", description="A colocated site and the cloud")
    commands = parser.add_subparsers(dest="command", required=True)
    cloud = commands.add_parser("cloud", help="what the cloud's server includes")
    cloud.add_argument("out", type=Path)
    cloud.add_argument("--listen", action="append", required=True, help="the hub's address in each tunnel")
    site = commands.add_parser("site", help="what the site's server includes")
    site.add_argument("out", type=Path)
    site.add_argument("--hub", action="append", required=True, help="the hub's address in each tunnel")
    make = commands.add_parser("mirrors", help="make the mirrors of a site's streams")
    make.add_argument("--days", type=float, default=14.0, help="how long a mirror keeps")
    make.add_argument("--max-gb", type=float, default=20.0, help="the most that each mirror keeps")
    make.add_argument("--replicas", type=int, default=3, help="of each mirror")
    make.add_argument("--streams", default=",".join(STREAMS), help="with commas between")
    status = commands.add_parser("status", help="how far the mirrors are")
    status.add_argument("--silent-s", type=float, default=60.0, help="a mirror that hears nothing for so long is wrong")
    for command in (site, make, status):
        command.add_argument("--site", required=True, help="name of the site")
        command.add_argument("--users", type=Path, required=True, help="folder of passwords, a file a user")
    for command in (make, status):
        command.add_argument("--nats", required=True, help="URL of the cloud's servers")
        command.add_argument("--ca", type=Path, help="the authority of their certificates, where it is one of your own")
    return parser


async def _ask(given: argparse.Namespace) -> int:
    user = mirror_user(given.site)
    access = NatsAccess(user=user, password_file=given.users / user, ca=given.ca)
    connection = await NatsConnection.open(given.nats, name="mirrors", access=access)
    try:
        if given.command == "mirrors":
            names = tuple(given.streams.split(","))
            room = int(given.max_gb * _GB)
            await make_mirrors(connection, given.site, names, days=given.days, max_bytes=room, replicas=given.replicas)
        found = await mirrors(connection, given.site)
    finally:
        await connection.close()
    late = False
    for each in found:
        behind = "unknown: the site does not answer" if each.behind is None else str(each.behind)
        print(f"{each.stream:<16} {each.messages:>12} messages, behind: {behind}, silent for {each.silent_s:.0f} s")
        late |= each.behind is None or (given.command == "status" and each.silent_s > given.silent_s)
    return int(late or not found)


def _write(given: argparse.Namespace) -> int:
    if given.command == "cloud":
        text = cloud_conf(given.listen)
    else:
        password = (given.users / leaf_user(given.site)).read_text(encoding="utf-8").strip()
        text = site_conf(given.site, password, given.hub)
    private_folder(given.out)
    write_private(given.out / "leaf.conf", text)
    print(f"include {given.out / 'leaf.conf'} in the configuration of the server")
    return 0


def main() -> int:
    """The exit code."""
    given = _arguments().parse_args()
    try:
        return _write(given) if given.command in ("cloud", "site") else asyncio.run(_ask(given))
    except (SdkError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
