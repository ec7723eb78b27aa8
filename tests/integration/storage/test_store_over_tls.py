"""ClickHouse over TLS, by both protocols: a real server behind a proxy that speaks it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from marketprism_adapters.clickhouse.native import NativeEngine
from marketprism_adapters.clickhouse.server import ClickHouseEngine
from marketprism_application.errors import StoreError
from marketprism_sdk.client_tls import ClientTls
from marketprism_sdk.testing.proxy import FaultyProxy
from tests.support.certificates import Authority

QUESTION = "SELECT 1 AS one"


class Secured:
    """A port that speaks TLS and hands on what it hears to a server that does not."""

    def __init__(self, folder: Path, target: str) -> None:
        self._target = urlsplit(target)
        self.authority = Authority(folder / "ours")
        self._proxy: FaultyProxy | None = None
        self._port = 0

    async def start(self, authority: Authority | None = None, clients: Path | None = None) -> None:
        """Listen, again on the same port, with a certificate of the authority."""
        await self.stop()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*(authority or self.authority).issue("server"))
        if clients is not None:
            context.load_verify_locations(clients)
            context.verify_mode = ssl.CERT_REQUIRED
        self._proxy = FaultyProxy(self._target.hostname or "", self._target.port or 0)
        await self._proxy.start(self._port, context)
        self._port = self._proxy.port

    def url(self, scheme: str) -> str:
        """The address, as the user of the server behind."""
        user, at, _ = self._target.netloc.rpartition("@")
        return f"{scheme}://{user}{at}127.0.0.1:{self._port}"

    async def stop(self) -> None:
        if self._proxy is not None:
            await self._proxy.stop()
        await asyncio.sleep(0.05)


@pytest.fixture(params=["https", "clickhouses"])
async def secured(
    request: pytest.FixtureRequest, tmp_path: Path, clickhouse_both_urls: tuple[str, str]
) -> AsyncIterator[tuple[str, Secured]]:
    """The scheme, and a port that speaks it."""
    place = Secured(tmp_path, clickhouse_both_urls[request.param == "clickhouses"])
    await place.start()
    yield request.param, place
    await place.stop()


async def ask(scheme: str, place: Secured, tls: ClientTls | None) -> int:
    url = place.url(scheme)
    kind = ClickHouseEngine if scheme == "https" else NativeEngine
    engine = await kind.open(url, timeout_s=10, tls=tls)
    try:
        return int((await engine.fetch(QUESTION)).column("one")[0].as_py())
    finally:
        await engine.close()


async def test_only_a_server_that_the_authority_has_signed_is_spoken_to(
    secured: tuple[str, Secured], tmp_path: Path
) -> None:
    scheme, place = secured
    assert await ask(scheme, place, ClientTls(ca=place.authority.file)) == 1
    for stranger in (None, ClientTls(ca=Authority(tmp_path / "theirs").file)):
        with pytest.raises(StoreError, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
            await ask(scheme, place, stranger)


async def test_a_certificate_is_shown_where_the_server_asks_for_one(secured: tuple[str, Secured]) -> None:
    scheme, place = secured
    await place.start(clients=place.authority.file)
    cert, key = place.authority.issue("client")
    assert await ask(scheme, place, ClientTls(ca=place.authority.file, cert=cert, key=key)) == 1
    with pytest.raises(StoreError):
        await ask(scheme, place, ClientTls(ca=place.authority.file))


async def test_a_file_that_was_replaced_counts_for_the_next_connection(
    secured: tuple[str, Secured], tmp_path: Path
) -> None:
    scheme, place = secured
    ca, second = tmp_path / "ca.pem", Authority(tmp_path / "second")
    ca.write_bytes(place.authority.file.read_bytes())
    kind = ClickHouseEngine if scheme == "https" else NativeEngine
    engine = await kind.open(place.url(scheme), timeout_s=10, tls=ClientTls(ca=ca))
    assert (await engine.fetch(QUESTION)).num_rows == 1
    await place.start(second)
    with pytest.raises(StoreError):
        await engine.fetch(QUESTION)
    ca.write_bytes(second.file.read_bytes())
    async with asyncio.timeout(10):
        while True:
            try:
                assert (await engine.fetch(QUESTION)).num_rows == 1
                break
            except StoreError:
                await asyncio.sleep(0.2)
    await engine.close()


async def test_a_file_that_cannot_be_used_is_named_by_its_setting(secured: tuple[str, Secured], tmp_path: Path) -> None:
    scheme, place = secured
    if scheme == "https":
        with pytest.raises(StoreError, match=r"store\.tls\.ca: expected a file of certificates, was .*nowhere"):
            await ask(scheme, place, ClientTls(ca=tmp_path / "nowhere"))
    else:
        with pytest.raises(StoreError):
            await ask(scheme, place, ClientTls(ca=tmp_path / "nowhere"))
