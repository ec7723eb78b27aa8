"""What a cloud and a colocated site add to the configuration of their nats-servers, and the mirrors between them.

The site is a leaf node of the cloud with a JetStream domain of its own. Its streams are mirrored into an account that
the cloud has for it alone: nothing of the site can reach a subject of the cloud's market.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from marketprism_adapters.nats.accounts import MIRRORED, PLATFORM, leaf_user
from marketprism_sdk.errors import SdkError, StreamMissing
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api

CLOUD = "cloud"
LEAF_PORT = 7422
STREAMS = ("MARKET_TICKS", "MARKET_BARS", "MARKET_EVENTS", "MARKET_DATA")
_AGAIN = "2s"
_DAY_NS = 86_400 * 1_000_000_000


@dataclass(frozen=True)
class Mirror:
    """A mirror of a stream, with what the site's stream has: how far behind, and how long nothing was heard of it."""

    stream: str
    messages: int
    last: int
    at_site: int | None
    silent_s: float

    @property
    def behind(self) -> int | None:
        """Messages that have not come; None while the site cannot be asked. The server's own lag says 0 then."""
        return None if self.at_site is None else max(0, self.at_site - self.last)


def check_site(name: str) -> str:
    """The name of a site, which is its domain too. Raises ValueError."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name) or name == CLOUD:
        raise ValueError(f"site: expected a name of small letters, digits and -, other than {CLOUD}, was {name!r}")
    return name


def cloud_conf(addresses: Sequence[str]) -> str:
    """For the server that sites join: listens for leaf nodes at the hub's address of the tunnel. While there are two
    tunnels it listens everywhere, and the tunnels' rules close the port to everything else."""
    listen = json.dumps(f"{addresses[0]}:{LEAF_PORT}" if len(addresses) == 1 else f"0.0.0.0:{LEAF_PORT}")
    return f"""# Leaf nodes of sites. Who they are and what they may stands in accounts.conf.
leafnodes {{
  listen: {listen}
  compression: s2_better
  no_advertise: true  # sites know the hub's addresses of the tunnel, and hear of no others
}}
"""


def site_conf(site: str, password: str, addresses: Sequence[str]) -> str:
    """For the site's server: it joins the cloud at these addresses, one for each generation of the tunnel."""
    urls = ", ".join(
        json.dumps(f"nats-leaf://{leaf_user(site)}:{password}@{address}:{LEAF_PORT}") for address in addresses
    )
    return f"""# The site {site} is a leaf node of the cloud.
leafnodes {{
  reconnect: "{_AGAIN}"
  remotes: [{{
    urls: [{urls}]
    account: "{PLATFORM}"
    compression: s2_better
    ignore_discovered_servers: true
    # Nothing of the market goes out but what a mirror asks for.
    deny_exports: ["market.>", "rpc.>", "cmd.>", "event.>", "kv.>", "stage.>", "$KV.>"]
    deny_imports: ["market.>", "rpc.>", "cmd.>", "event.>", "kv.>", "stage.>", "$KV.>"]
  }}]
}}
"""


def mirror_config(site: str, stream: str, *, days: float, max_bytes: int, replicas: int) -> dict[str, object]:
    """A stream of the site's account in the cloud that follows one of the site."""
    external = {"api": f"$JS.{check_site(site)}.API", "deliver": f"{MIRRORED}.{site}.{stream}"}
    return {
        "name": stream,
        "mirror": {"name": stream, "external": external},
        "storage": "file",
        "compression": "s2",
        "retention": "limits",
        "discard": "old",
        "max_age": int(days * _DAY_NS),
        "max_bytes": max_bytes,
        "num_replicas": replicas,
        "allow_direct": True,
        "mirror_direct": False,
    }


async def make_mirrors(
    connection: NatsConnection,
    site: str,
    streams: Sequence[str] = STREAMS,
    *,
    days: float,
    max_bytes: int,
    replicas: int,
) -> None:
    """Make the mirrors that are not there, and change the limits of those that are.

    Raises:
        SdkError: the server refuses one.
    """
    for stream in streams:
        config = mirror_config(site, stream, days=days, max_bytes=max_bytes, replicas=replicas)
        try:
            await api(connection, f"STREAM.INFO.{stream}")
            what = "UPDATE"
        except StreamMissing:
            what = "CREATE"
        await api(connection, f"STREAM.{what}.{stream}", config)


async def mirrors(connection: NatsConnection, site: str) -> list[Mirror]:
    """How far each mirror of a site is.

    Raises:
        SdkError: the cloud cannot be asked.
    """
    found = []
    for name in sorted((await api(connection, "STREAM.NAMES")).get("streams") or []):
        info = await api(connection, f"STREAM.INFO.{name}")
        if "mirror" not in info:
            continue
        try:
            answer = await connection.request(f"$JS.{site}.API.STREAM.INFO.{name}", b"", timeout_s=3)
            at_site: int | None = int(json.loads(answer.data)["state"]["last_seq"])
        except (SdkError, KeyError):
            at_site = None
        state = info["state"]
        silent_s = int(info["mirror"].get("active", -1)) / 1e9
        found.append(Mirror(name, int(state["messages"]), int(state["last_seq"]), at_site, silent_s))
    return found


__all__ = [
    "CLOUD",
    "LEAF_PORT",
    "STREAMS",
    "Mirror",
    "check_site",
    "cloud_conf",
    "make_mirrors",
    "mirror_config",
    "mirrors",
    "site_conf",
]
