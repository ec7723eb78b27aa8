"""A cloud and a colocated site: two hosts, a userspace WireGuard between them, a nats-server on each."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time
from collections import deque
from pathlib import Path

from deploy.hybrid.leaf import CLOUD, cloud_conf, make_mirrors, site_conf
from deploy.nodes.lab import nats_server
from deploy.nodes.network import Host, Network, command
from deploy.wireguard.__main__ import new_key, new_shared
from deploy.wireguard.peers import HUB, write

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.accounts import leaf_user, mirror_user, passwords_in
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import some_of
from marketprism_sdk.nats.jetstream import api, publish_ack
from marketprism_services.platform import nats_users

SITE = "shanghai"
TAG, SUBNET = "hyb", "10.79.0"
HUBS = ("10.90.0.1", "10.90.1.1")
_PAGE = 500
_READY_S = 30.0


class Pair:
    """`site` publishes, `cloud` mirrors."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = Network(TAG, SUBNET, {"cloud": 11, "site": 12})
        self.cloud, self.site = self.network.hosts["cloud"], self.network.hosts["site"]
        self._open: list[NatsConnection] = []

    async def up(self, rate_mbit: float) -> None:
        """Hosts, tunnel, servers, streams at the site and at the cloud, mirrors in the cloud."""
        await asyncio.to_thread(self.network.make)
        await asyncio.to_thread(self.tunnel, "a", rate_mbit)
        for name, host in (("cloud", self.cloud), ("site", self.site)):
            await asyncio.to_thread(self._server, name, host)
        for name in ("cloud", "site"):
            connection = await self.connect(name, "validator")
            await streams.ensure_streams(connection)
        keeper = await self.keeper()
        await make_mirrors(keeper, SITE, (streams.TICKS,), days=1.0, max_bytes=256 << 20, replicas=1)

    def tunnel(self, generation: str, rate_mbit: float = 0.0) -> None:
        """Bring a generation of the tunnel up on both sides, from the files that a team gets."""
        out = self.folder / "wireguard"
        tunnel = write(
            out,
            self.cloud.address,
            [SITE],
            new_key=new_key,
            new_shared=new_shared,
            generation=generation,
            rate_mbit=rate_mbit,
        )
        for folder, host in ((HUB, self.cloud), (SITE, self.site)):
            # Sockets of interfaces lie in one folder of this machine: names of its own for each host.
            config = self._config(host, generation)
            config.write_text((out / folder / f"{tunnel.interface}.conf").read_text(encoding="utf-8"), encoding="utf-8")
            config.chmod(0o600)
            self._quick(host, "up", config)

    def untunnel(self, generation: str) -> None:
        """Take a generation down on both sides."""
        for host in (self.cloud, self.site):
            self._quick(host, "down", self._config(host, generation))

    def _config(self, host: Host, generation: str) -> Path:
        return self.folder / f"{interface(host, generation)}.conf"

    @staticmethod
    def _quick(host: Host, what: str, config: Path) -> None:
        go = ("env", "WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go", "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1")
        command(*go, "wg-quick", what, str(config), host=host.name)

    def transferred(self, generation: str = "a") -> tuple[int, int]:
        """Bytes that the cloud received and sent over the tunnel, as WireGuard counts them, keys and headers too."""
        said = self.cloud.run("wg", "show", interface(self.cloud, generation), "transfer").split()
        return int(said[1]), int(said[2])

    def _server(self, name: str, host: Host) -> None:
        folder = self.folder / name
        folder.mkdir()
        accounts = nats_users.accounts(nameless=False, sites=(SITE,) if name == "cloud" else ())
        passwords = passwords_in(folder / "users", accounts.names)
        if name == "cloud":
            leaf = cloud_conf(HUBS)
        else:
            leaf = site_conf(SITE, (self.folder / "cloud" / "users" / leaf_user(SITE)).read_text().strip(), HUBS)
        (folder / "accounts.conf").write_text(accounts.config(passwords))
        (folder / "leaf.conf").write_text(leaf)
        domain = CLOUD if name == "cloud" else SITE
        (folder / "nats.conf").write_text(
            f'server_name: "{name}"\nlisten: "{host.address}:4222"\nmax_payload: 8MB\nping_interval: "5s"\nping_max: 2\n'
            f'jetstream {{ domain: "{domain}", store_dir: "{folder}/data", max_file_store: 2000000000 }}\n'
            'include "accounts.conf"\ninclude "leaf.conf"\n'
        )
        binary = nats_server(sys.executable)
        host.start([str(binary), "-c", str(folder / "nats.conf"), "-l", str(folder / "server.log")], folder / "out.log")

    async def connect(self, name: str, user: str) -> NatsConnection:
        """A connection to a host's server, over the network of the test and not over the tunnel."""
        url = f"nats://{self.network.hosts[name].address}:4222"
        access = NatsAccess.of_user(self.folder / name / "users", user)
        if user.startswith("mirror-"):
            access = NatsAccess(user=user, password_file=self.folder / name / "users" / user)
        end = time.monotonic() + _READY_S
        while True:
            try:
                connection = await NatsConnection.open(url, name="test", access=access)
                break
            except SdkError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.1)
        self._open.append(connection)
        return connection

    async def keeper(self) -> NatsConnection:
        """Who keeps the mirrors in the cloud."""
        return await self.connect("cloud", mirror_user(SITE))

    async def down(self) -> None:
        """Everything is taken away, whatever happened."""
        for connection in self._open:
            await connection.close()
        await asyncio.to_thread(self.network.remove)
        for host in (self.cloud, self.site):
            for left in Path("/var/run/wireguard").glob(f"{interface(host, '?')}.sock"):
                left.unlink()


def interface(host: Host, generation: str) -> str:
    """What a host's end of a tunnel is called here."""
    return f"mp-{host.name.removeprefix(TAG + '-')}-{generation}"


class Load:
    """Messages published at the site, and a small number at the cloud whose acknowledgements are timed."""

    def __init__(self, site: NatsConnection, cloud: NatsConnection, per_second: int) -> None:
        self._site, self._cloud = site, cloud
        self._per_second = per_second
        self.published = self.bytes = 0
        self.latencies_ms: deque[float] = deque()
        self.failed = 0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Until `stop`."""
        self._tasks = [asyncio.create_task(self._publish()), asyncio.create_task(self._time())]

    async def stop(self) -> None:
        """The last message is with the server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._site.flush()

    async def _publish(self) -> None:
        turn_s = 0.02
        due = time.monotonic()
        while True:
            for _ in range(int(self._per_second * turn_s)):
                body = (
                    f'{{"seq":{self.published},"venue":"shfe","symbol":"rb2505","price":"'.encode()
                    + os.urandom(24).hex().encode()
                    + b'"}'
                )
                await self._site.publish(f"market.tick.{self.published % 32}", body)
                self.published += 1
                self.bytes += len(body)
            due += turn_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _time(self) -> None:
        number = 0
        while True:
            started = time.monotonic()
            try:
                await publish_ack(self._cloud, f"market.tick.{number % 32}", b"the cloud's own")
                self.latencies_ms.append((time.monotonic() - started) * 1_000)
            except SdkError:
                self.failed += 1
            number += 1
            await asyncio.sleep(0.01)


async def state(connection: NatsConnection, stream: str = streams.TICKS) -> tuple[int, int, int]:
    """Messages, first and last sequence of a stream."""
    found = (await api(connection, f"STREAM.INFO.{stream}"))["state"]
    return int(found["messages"]), int(found["first_seq"]), int(found["last_seq"])


async def digest(connection: NatsConnection, stream: str = streams.TICKS) -> tuple[int, str]:
    """How many messages a stream holds and a hash over the number, subject and payload of each."""
    made, at, count = hashlib.sha256(), 1, 0
    while True:
        some = await some_of(connection, stream, ">", at, _PAGE)
        for held in some:
            made.update(f"{held.seq} {held.subject} {len(held.data)}\n".encode() + held.data)
            count += 1
        if not some or not some[-1].more:
            return count, made.hexdigest()
        at = some[-1].seq + 1


__all__ = ["SITE", "Load", "Pair", "digest", "interface", "state"]
