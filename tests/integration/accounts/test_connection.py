"""TLS and credentials of a connection: against real servers, and against what only looks like one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import nkeys
import pytest

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_client import MarketClient, QueryFailed
from marketprism_sdk.errors import InvalidSetting, NotConnected
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.urls import Secret
from tests.support.certificates import Authority

Eventually = Callable[..., object]
SEED = "SUAFPNUH6H7IKJDLCTBBJDWO3WVLMYYBFBBZ44NLHOLDQDLT5GGWZ6RDEU"  # not a secret: of these tests


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., object]]:
    """Starts servers whose configuration ends with a text."""
    running: list[EmbeddedServer] = []

    async def begin(config: str) -> EmbeddedServer:
        options = EmbeddedOptions(tmp_path / f"server{len(running)}", port=0, accounts=config)
        running.append(await EmbeddedServer.start(options))
        return running[-1]

    yield begin
    for server in running:
        await server.stop()


def _tls(cert: Path, key: Path, ca: Path | None = None) -> str:
    verify = f', ca_file: "{ca}", verify: true' if ca else ""
    return f'tls {{ cert_file: "{cert}", key_file: "{key}"{verify} }}\n'


async def _opens(url: str, access: NatsAccess | None = None) -> None:
    connection = await NatsConnection.open(url, access=access, connect_timeout_s=3)
    await connection.flush()
    await connection.close()


async def test_tls_is_spoken_with_whom_the_authority_signed_and_with_nobody_else(
    tmp_path: Path, start: Callable[..., object]
) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    server = await start(_tls(*ours.issue("server")))  # type: ignore[misc]
    for scheme in ("tls", "nats"):  # a server that asks for TLS is spoken to in TLS, whatever the URL says
        await _opens(f"{scheme}://127.0.0.1:{server.port}", NatsAccess(ca=ours.file))
        with pytest.raises(NotConnected, match="certificate verify failed"):
            await _opens(f"{scheme}://127.0.0.1:{server.port}", NatsAccess(ca=theirs.file))
        with pytest.raises(NotConnected, match="certificate verify failed"):
            await _opens(f"{scheme}://127.0.0.1:{server.port}")
    async with MarketClient(f"tls://127.0.0.1:{server.port}", ca=ours.file):
        pass


async def test_a_client_certificate_is_shown_where_it_is_asked_for(
    tmp_path: Path, start: Callable[..., object]
) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    server = await start(_tls(*ours.issue("server"), ours.file))  # type: ignore[misc]
    url = f"tls://127.0.0.1:{server.port}"
    cert, key = ours.issue("client")
    await _opens(url, NatsAccess(ca=ours.file, cert=cert, key=key))
    with pytest.raises(NotConnected):
        await _opens(url, NatsAccess(ca=ours.file))
    cert, key = theirs.issue("client")
    with pytest.raises(NotConnected):
        await _opens(url, NatsAccess(ca=ours.file, cert=cert, key=key))


async def test_nothing_is_shown_to_a_server_that_offers_no_tls() -> None:
    heard = bytearray()

    async def look_like_nats(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "x", "version": "2.15.0", "max_payload": 1 << 20, "headers": True, "auth_required": True}
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        heard.extend(await reader.read(4_096))
        writer.close()

    access = NatsAccess(user="me", password=Secret("hush-hush"))
    async with await asyncio.start_server(look_like_nats, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(NotConnected, match="expected TLS, as tls:// says, was a server that offers none"):
            await NatsConnection.open(f"tls://127.0.0.1:{port}", access=access, connect_timeout_s=0.5)
        assert bytes(heard) == b""
        with contextlib.suppress(NotConnected):
            await (await NatsConnection.open(f"nats://127.0.0.1:{port}", access=access, connect_timeout_s=0.5)).close()
        assert b"hush-hush" in heard  # in clear only where the URL says so
        await asyncio.sleep(0.05)  # nats-py closes its sockets without waiting for it


async def test_certificates_that_were_renewed_count_after_the_next_reconnect(
    tmp_path: Path, start: Callable[..., object], eventually: Eventually
) -> None:
    first, second = Authority(tmp_path / "first"), Authority(tmp_path / "second")
    cert, key, ca = (tmp_path / name for name in ("server.crt", "server.key", "ca.pem"))

    def use(authority: Authority) -> None:
        made = authority.issue("server")
        cert.write_bytes(made[0].read_bytes())
        key.write_bytes(made[1].read_bytes())

    use(first)
    ca.write_bytes(first.file.read_bytes())
    server = await start(_tls(cert, key))  # type: ignore[misc]
    connection = await NatsConnection.open(f"tls://127.0.0.1:{server.port}", access=NatsAccess(ca=ca))
    use(second)
    await asyncio.to_thread(ca.write_bytes, b"")
    await server.restart()
    await asyncio.sleep(0.3)
    assert not connection.connected
    ca.write_bytes(second.file.read_bytes())
    async with asyncio.timeout(10):
        await connection.wait_connected()
    await connection.flush()
    await connection.close()


async def test_a_password_file_that_was_replaced_counts_after_the_server_has_refused_the_old_one(
    tmp_path: Path, start: Callable[..., object], logs: list[dict[str, object]]
) -> None:
    password = tmp_path / "password"
    password.write_text("first\n")
    users = 'authorization {{ users: [{{ user: "me", password: "{0}" }}] }}\n'.format
    server = await start(users("first"))  # type: ignore[misc]
    access = NatsAccess(user="me", password_file=password)
    connection = await NatsConnection.open(server.url, access=access)
    config = server.folder / "server.conf"
    config.write_text(config.read_text().replace('password: "first"', 'password: "second"'))
    server.process.send_signal(1)  # SIGHUP: the server reads it again, and ends connections that it would refuse now
    async with asyncio.timeout(10):
        while not any(line["event"] == "nats.refused" for line in logs):
            await asyncio.sleep(0.01)
    assert not connection.connected
    password.write_text("second\n")
    async with asyncio.timeout(10):
        await connection.wait_connected()
    assert [line["user"] for line in logs if line["event"] == "nats.refused"] == ["me"], "once an outage"
    await connection.flush()
    await connection.close()


async def test_nkeys_tokens_and_credentials_files(tmp_path: Path, start: Callable[..., object]) -> None:
    public = nkeys.from_seed(bytearray(SEED.encode())).public_key.decode()
    server = await start(f'authorization {{ users: [{{ nkey: "{public}" }}] }}\n')  # type: ignore[misc]
    await _opens(server.url, NatsAccess(nkey_seed=Secret(SEED)))
    with pytest.raises(NotConnected, match="Authorization Violation"):
        await _opens(server.url)
    server = await start('authorization { token: "hush" }\n')  # type: ignore[misc]
    await _opens(server.url, NatsAccess(token=Secret("hush")))
    with pytest.raises(NotConnected, match="Authorization Violation"):
        await _opens(server.url, NatsAccess(token=Secret("other")))
    broken = tmp_path / "broken.creds"
    broken.write_text("-----BEGIN NATS USER JWT-----\nx\n")
    with pytest.raises(InvalidSetting, match=r"creds: expected a file of credentials, was .*without BEGIN USER NKEY"):
        await _opens(server.url, NatsAccess(creds=broken))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"user": "me"}, "password: expected one with the user of NATS, was none"),
        ({"password": Secret("x")}, "user: expected one with the password of NATS, was none"),
        ({"user": "me", "password": Secret("x"), "token": Secret("y")}, "token: expected one way to log in"),
        ({"cert": Path("/a")}, "key: expected a file with cert, was none"),
        ({"nkey_seed": Secret("UABC")}, "nkey_seed: expected the seed of a user"),
        ({"user": "me", "password": Secret("x"), "password_file": Path("/a")}, "were both"),
    ],
)
def test_what_contradicts_itself_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message) as raised:
        NatsAccess(**given)  # type: ignore[arg-type]
    assert "UABC" not in str(raised.value)


@pytest.mark.parametrize(("name", "content"), [("ca", None), ("ca", "nothing"), ("cert", "nothing")])
async def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str, content: str | None) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content)
    access = NatsAccess(ca=path) if name == "ca" else NatsAccess(cert=path, key=path)
    with pytest.raises(InvalidSetting, match=f"{name}: expected .*file.pem"):
        await NatsConnection.open("tls://127.0.0.1:1", access=access)


async def test_a_client_is_told_which_credentials_go_where() -> None:
    access = NatsAccess(user="me", password=Secret("x"))
    with pytest.raises(QueryFailed, match="access: expected none with an API gateway"):
        async with MarketClient("https://127.0.0.1:1", key="mp_x", access=access):
            pass
    with pytest.raises(QueryFailed, match="key: expected none with NATS"):
        async with MarketClient("nats://127.0.0.1:1", key="mp_x"):
            pass
