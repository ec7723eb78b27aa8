"""A site over a real WireGuard: cut while it publishes and joined again, its mirror in the cloud is the site's stream."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from marketprism_adapters.nats.accounts import leaf_user
from marketprism_services.chaos.report import percentile
from tests.ops.hybrid_pair import SITE, Load, Pair, digest, interface, state

_TOOLS = ("ip", "iptables", "wg", "wg-quick", "wireguard-go")
CUTS_S = [float(each) for each in os.environ.get("HYBRID_CUTS_S", "5,60").split(",")]
PER_SECOND = int(os.environ.get("HYBRID_PER_SECOND", "2000"))
RATE_MBIT = 40.0
_EQUAL_S = 180.0

pytestmark = [
    pytest.mark.ops,
    pytest.mark.timeout(3_600),
    pytest.mark.skipif(
        os.geteuid() != 0 or any(shutil.which(tool) is None for tool in _TOOLS),
        reason=f"needs root and {', '.join(_TOOLS)}: apt-get install wireguard-tools wireguard-go iproute2 iptables",
    ),
]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(tmp_path)
    try:
        await made.up(RATE_MBIT)
        yield made
    finally:
        await made.down()


async def _equal(pair: Pair) -> float:
    """Seconds until the mirror has what the site has."""
    site, cloud = await pair.connect("site", "operator"), await pair.keeper()
    started = time.monotonic()
    while await state(site) != await state(cloud):
        assert time.monotonic() - started < _EQUAL_S, (await state(site), await state(cloud))
        await asyncio.sleep(0.1)
    took = time.monotonic() - started
    assert await digest(site) == await digest(cloud)
    return took


async def test_a_link_that_is_cut_loses_and_doubles_nothing(pair: Pair) -> None:
    load = Load(await pair.connect("site", "validator"), await pair.connect("cloud", "validator"), PER_SECOND)
    load.start()
    await asyncio.sleep(5.0)
    for cut_s in CUTS_S:
        before = percentile(list(load.latencies_ms), 0.99)
        load.latencies_ms.clear()
        moved, sent = pair.transferred()[0], load.bytes
        await asyncio.to_thread(pair.site.cut, "udp")
        await asyncio.sleep(cut_s)
        during = percentile(list(load.latencies_ms), 0.99)
        keeper, origin = await pair.keeper(), await pair.connect("site", "operator")
        behind = (await state(origin))[2] - (await state(keeper))[2]
        assert behind > 0  # it was cut
        await asyncio.to_thread(pair.site.heal, "udp")
        healed = time.monotonic()
        while (await state(origin))[2] - (await state(keeper))[2] > PER_SECOND:
            assert time.monotonic() - healed < _EQUAL_S, "the mirror does not come back"
            await asyncio.sleep(0.1)
        took = time.monotonic() - healed
        bytes_moved, payload = pair.transferred()[0] - moved, load.bytes - sent
        print(
            f"\ncut {cut_s:g} s: {behind} messages behind, caught up {took:.1f} s after it was healed; the tunnel carried "
            f"{bytes_moved / 1e6:.1f} MB for {payload / 1e6:.1f} MB of payloads ({bytes_moved / payload:.2f}), at most "
            f"{RATE_MBIT:g} Mbit/s; acknowledgements in the cloud p99 {before:.1f} ms before, {during:.1f} ms while cut"
        )
        assert bytes_moved < 2 * payload  # what had come is not sent again
    await load.stop()
    took = await _equal(pair)
    found, first, last = await state(await pair.keeper())
    print(f"{load.published} published; mirror: {found} messages, {first} to {last}, equal after {took:.1f} s")
    assert (found, first, last) == (load.published, 1, load.published)
    assert load.failed == 0


async def test_new_keys_are_taken_by_overlap(pair: Pair) -> None:
    load = Load(await pair.connect("site", "validator"), await pair.connect("cloud", "validator"), 500)
    load.start()
    await asyncio.sleep(2.0)
    await asyncio.to_thread(pair.tunnel, "b", RATE_MBIT)
    await asyncio.to_thread(pair.untunnel, "a")
    await asyncio.sleep(10.0)
    await load.stop()
    took = await _equal(pair)
    received, _ = await asyncio.to_thread(pair.transferred, "b")
    print(f"\nkeys changed under load: equal {took:.1f} s after the last message, {received} bytes by the new keys")
    assert received > 10_000


async def test_a_site_publishes_nothing_into_the_cloud(pair: Pair) -> None:
    heard: list[str] = []
    cloud = await pair.connect("cloud", "operator")
    await cloud.subscribe("market.>", lambda message: heard.append(message.subject))
    site = await pair.connect("site", "validator")
    await site.publish("market.tick.7", b"of the site")  # there it may
    await _equal(pair)
    assert (await state(cloud))[0] == 0
    # Whoever has the leaf node's password, from the site or from elsewhere.
    password = (pair.folder / "cloud" / "users" / leaf_user(SITE)).read_text().strip()
    for subject in ("market.tick.7", "market.raw.7", "rpc.query.bars", "$KV.rules.x"):
        said = await _publish(pair.cloud.address, leaf_user(SITE), password, subject)
        assert f'Permissions Violation for Publish to "{subject}"' in said
    assert (await state(cloud))[0] == 0
    assert heard == []


async def test_a_site_without_its_password_gets_nothing(pair: Pair) -> None:
    said = await _publish(pair.cloud.address, leaf_user(SITE), "stolen", "market.tick.7")
    assert "Authorization Violation" in said


async def test_the_leaf_nodes_port_is_open_in_the_tunnel_and_nowhere_else(pair: Pair) -> None:
    await _equal(pair)
    reach = "timeout 2 bash -c 'exec 3<>/dev/tcp/{}/{}' && echo open || echo closed"
    found = {port: pair.site.run("bash", "-c", reach.format("10.90.0.1", port)).strip() for port in (7422, 4222)}
    assert found == {7422: "open", 4222: "closed"}
    outside = pair.site.run("bash", "-c", reach.format(pair.cloud.address, 7422)).strip()
    assert outside == "closed"
    mtu = pair.site.run("cat", f"/sys/class/net/{interface(pair.site, 'a')}/mtu").strip()
    assert mtu == "1380"


async def _publish(address: str, user: str, password: str, subject: str) -> str:
    """What a server says to somebody who publishes one message."""
    reader, writer = await asyncio.open_connection(address, 4222)
    hello = f'CONNECT {{"user":"{user}","pass":"{password}","verbose":false,"pedantic":false}}\r\n'
    writer.write((hello + f"PUB {subject} 1\r\nx\r\nPING\r\n").encode())
    said = ""
    async with asyncio.timeout(5):
        while "PONG" not in said and (some := await reader.read(4096)):
            said += some.decode()
    writer.close()
    return said
