"""The HTTP side of a service with a certificate: who is spoken to, and what happens when its files change."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from marketprism_sdk.errors import InvalidSetting
from marketprism_sdk.observability import Metrics
from marketprism_sdk.service import HttpTls
from marketprism_sdk.service._http_server import HttpServer
from tests.support.certificates import Authority


class Place:
    """A folder of certificates and a server that has them."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "ours")
        self.cert, self.key = folder / "tls.crt", folder / "tls.key"
        self.metrics = Metrics("test")
        self.server: HttpServer
        self.use(self.authority)

    def use(self, authority: Authority, days: float = 30) -> None:
        cert, key = authority.issue("server", days)
        self.cert.write_bytes(cert.read_bytes())
        self.key.write_bytes(key.read_bytes())

    async def start(self, client_ca: Path | None = None) -> None:
        tls = HttpTls(cert=self.cert, key=self.key, client_ca=client_ca)
        self.server = HttpServer("test", "1", self.metrics, tls=tls)
        await self.server.start("127.0.0.1", 0)

    @property
    def url(self) -> str:
        return f"{self.server.scheme}://127.0.0.1:{self.server.port}"

    async def ask(self, path: str, ca: Path, client: tuple[Path, Path] | None = None) -> tuple[int, str, str]:
        """Status, body and Strict-Transport-Security of an answer over a connection of its own."""
        context = ssl.create_default_context(cafile=str(ca))
        if client is not None:
            context.load_cert_chain(*client)
        connector = aiohttp.TCPConnector(ssl=context, force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"{self.url}{path}") as answer,
        ):
            return answer.status, await answer.text(), answer.headers.get("Strict-Transport-Security", "")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    found = Place(tmp_path)
    yield found
    await found.server.stop()
    await asyncio.sleep(0.05)  # connections that were refused close by themselves


def counted(place: Place, what: str) -> bool:
    return f"http_certificates_{what}_total 1.0" in place.metrics.text().decode()


async def until(wanted: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not wanted():
            await asyncio.sleep(0.05)


async def test_who_trusts_the_authority_is_answered_over_tls_only(place: Place, tmp_path: Path) -> None:
    await place.start()
    status, body, strict = await place.ask("/health", place.authority.file)
    assert (status, strict) == (200, "max-age=31536000")
    assert '"certificate": "healthy"' in body
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await place.ask("/health", Authority(tmp_path / "theirs").file)
    reader, writer = await asyncio.open_connection("127.0.0.1", place.server.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"HTTP" not in await reader.read()  # in clear nothing is answered
    writer.close()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", place.server.port, ssl=old)


async def test_a_handshake_that_never_comes_is_cut_off_and_costs_nobody_else(place: Place) -> None:
    await place.start()
    silent = [socket.create_connection(("127.0.0.1", place.server.port)) for _ in range(200)]
    started = time.monotonic()
    assert (await place.ask("/health/live", place.authority.file))[0] == 200
    for each in silent:
        each.setblocking(False)
        async with asyncio.timeout(30):
            assert await asyncio.get_running_loop().sock_recv(each, 1) == b""
        each.close()
    assert time.monotonic() - started > 1


async def test_only_clients_of_the_authority_are_let_in_where_one_is_named(place: Place, tmp_path: Path) -> None:
    theirs = Authority(tmp_path / "theirs")
    clients = tmp_path / "clients.pem"
    clients.write_bytes(place.authority.file.read_bytes())
    await place.start(clients)
    own = place.authority.issue("client")
    assert (await place.ask("/health/live", place.authority.file, own))[0] == 200
    for shown in (None, theirs.issue("client")):
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await place.ask("/health/live", place.authority.file, shown)
    clients.write_bytes(theirs.file.read_bytes())
    await until(lambda: counted(place, "renewed"))
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await place.ask("/health/live", place.authority.file, own)
    assert (await place.ask("/health/live", place.authority.file, theirs.issue("client")))[0] == 200


async def test_a_renewed_certificate_counts_and_a_broken_one_does_not(place: Place, tmp_path: Path) -> None:
    await place.start()
    second = Authority(tmp_path / "second")
    place.cert.write_text("no certificate")
    await until(lambda: counted(place, "refused"))
    status, body, _ = await place.ask("/health", place.authority.file)
    assert status == 200
    assert "degraded" in body
    assert "expected a certificate and its key" in body
    place.use(second, days=3)
    await until(lambda: counted(place, "renewed"))
    _, body, _ = await place.ask("/health", second.file)
    assert "degraded: the certificate ends in 3 days" in body or "the certificate ends in 3 days" in body
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await place.ask("/health", place.authority.file)


async def test_a_link_to_another_folder_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes renews a mounted secret."""
    place = Place(tmp_path)
    folders = []
    for name in ("one", "two"):
        authority = Authority(tmp_path / name)
        cert, key = authority.issue("server")
        (tmp_path / f"secret-{name}").mkdir()
        (tmp_path / f"secret-{name}/tls.crt").write_bytes(cert.read_bytes())
        (tmp_path / f"secret-{name}/tls.key").write_bytes(key.read_bytes())
        folders.append((authority, tmp_path / f"secret-{name}"))
    link = tmp_path / "data"
    link.symlink_to(folders[0][1])
    place.cert, place.key = link / "tls.crt", link / "tls.key"
    await place.start()
    assert (await place.ask("/health/live", folders[0][0].file))[0] == 200
    (tmp_path / "new").symlink_to(folders[1][1])
    (tmp_path / "new").rename(link)
    await until(lambda: counted(place, "renewed"))
    assert (await place.ask("/health/live", folders[1][0].file))[0] == 200
    (tmp_path / "empty").mkdir()
    for target, trouble in ((tmp_path / "empty", True), (folders[1][1], False)):
        (tmp_path / "new").symlink_to(target)
        (tmp_path / "new").rename(link)
        async with asyncio.timeout(15):
            while ("degraded" in (await place.ask("/health", folders[1][0].file))[1]) is not trouble:
                await asyncio.sleep(0.1)
    await place.server.stop()
    await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cert": "tls.crt"}, "key: expected a file with cert, was none"),
        ({"key": "tls.key"}, "cert: expected a file with key, was none"),
        ({"client_ca": "ca.pem"}, "cert: expected a file with client_ca, was none"),
        ({"cert": "nowhere", "key": "tls.key"}, "cert: expected a certificate and its key, were .*No such file"),
        ({"cert": "tls.crt", "key": "other.key"}, "cert: expected a certificate and its key, were .*MISMATCH"),
        ({"cert": "tls.crt", "key": "tls.key", "client_ca": "tls.key"}, "client_ca: expected a file of certificates"),
    ],
)
async def test_files_that_cannot_be_used_stop_the_start(tmp_path: Path, given: dict[str, str], message: str) -> None:
    authority = Authority(tmp_path / "ours")
    for number, name in enumerate(("tls", "other")):
        cert, key = authority.issue(f"server{number}")
        cert.rename(tmp_path / f"{name}.crt")
        key.rename(tmp_path / f"{name}.key")

    async def start() -> None:
        tls = HttpTls(**{name: tmp_path / value for name, value in given.items()})
        await HttpServer("test", "1", Metrics("test"), tls=tls).start("127.0.0.1", 0)

    with pytest.raises(InvalidSetting, match=message):
        await start()
