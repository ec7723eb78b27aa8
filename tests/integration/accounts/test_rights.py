"""What the server refuses to whom: every forgery is tried with the credentials that somebody really has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.access_store import ACCESS
from marketprism_adapters.nats.accounts import passwords_in
from marketprism_adapters.nats.last_published import read_left_off
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_adapters.nats.stream_ranges import StreamRanges
from marketprism_application.ports.storage import NO_MESSAGE
from marketprism_sdk.election import LEASES
from marketprism_sdk.errors import InvalidSetting, NotConnected, NotPermitted
from marketprism_sdk.messaging import REGISTRY
from marketprism_sdk.nats.access import NatsAccess
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.direct import last_of_each, next_of
from marketprism_sdk.nats.jetstream import api, direct_get_last, publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_sdk.urls import Secret
from marketprism_services.platform import catalogue, nats_users
from marketprism_services.settings.settings import load

TICK = "market.tick.ru1901"


class Platform:
    """A server with the users of a pipeline, and connections as each of them."""

    def __init__(self, server: EmbeddedServer, users: Path, stack: AsyncExitStack) -> None:
        self.server, self.users = server, users
        self._stack = stack

    async def connect(self, user: str) -> NatsConnection:
        """As a user of the platform, as a client, or for an empty name as nobody."""
        access = NatsAccess.of_user(self.users, user) if user else None
        if user == nats_users.CLIENT:
            access = NatsAccess(user=user, password_file=self.users / user)
        connection = await NatsConnection.open(self.server.url, name=f"as-{user}", access=access)
        self._stack.push_async_callback(connection.close)
        return connection


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedServer, Path]]:
    """A server with accounts, and the folder of its users."""
    folder = tmp_path_factory.mktemp("accounts")
    found = nats_users.accounts()
    config = found.config(passwords_in(folder / "users", found.names))
    server = asyncio.run(EmbeddedServer.start(EmbeddedOptions(folder, port=0, accounts=config)))
    yield server, folder / "users"
    asyncio.run(server.stop())


@pytest.fixture
async def platform(served: tuple[EmbeddedServer, Path]) -> AsyncIterator[Platform]:
    async with AsyncExitStack() as stack:
        platform = Platform(*served, stack)
        storage = await platform.connect("storage")
        await streams.ensure_streams(storage)
        await NatsKeyValue.open(storage, LEASES)
        await publish_ack(await platform.connect("validator"), TICK, b"true")
        yield platform


async def _messages(platform: Platform, stream: str) -> int:
    operator = await platform.connect("operator")
    state: dict[str, int] = (await stream_info(operator, stream))["state"]
    return state["messages"]


FORGERIES = (
    TICK,
    "market.bar.1m.ru1901",
    "market.raw.0",
    "market.packed.0",
    "market.okx.BTC-USDT.trade",
    "market.gap.shfe.ru1901",
    "stage.validator.0.ck",
    "fence.gateway.default",
    f"$KV.{LEASES}.gateway.default",
    f"$KV.{REGISTRY}.gateway.mine",
    f"$KV.{ACCESS}.user.me",
    f"$KV.{streams.RULES}.current",
    f"$KV.{streams.STORE_RANGES}.MARKET_TICKS",
    f"kv.{LEASES}.gateway.default",
    "cmd.gateway.connect",
    "rpc.storage.rebuild_store",
    "rpc.gateway.anything",
    "inspect.query.somebody.logs",
    "inspect.query.somebody.status",
    "audit.access.login",
    "dlq.gateway.connect",
    "event.gateway.leader",
    "ha.ping.gateway.default.1.0",
    "$JS.API.STREAM.DELETE.MARKET_TICKS",
    "$JS.API.STREAM.PURGE.MARKET_TICKS",
    "$JS.API.STREAM.UPDATE.MARKET_TICKS",
    "$JS.API.STREAM.CREATE.MINE",
    "$JS.API.CONSUMER.CREATE.MARKET_TICKS",
    "$JS.API.CONSUMER.CREATE.MARKET_TICKS.mine",
    "$JS.API.STREAM.MSG.GET.MARKET_TICKS",
    "$JS.API.STREAM.MSG.GET.KV_access",
    "$JS.API.STREAM.MSG.DELETE.MARKET_TICKS",
    "$JS.API.STREAM.SNAPSHOT.MARKET_TICKS",
    "$JS.API.STREAM.NAMES",
    "$JS.API.DIRECT.GET.KV_access",
    "$SYS.REQ.SERVER.PING",
    "_INBOX.somebody.1",
    "_REPLY.gateway.somebody.1",
)


@pytest.mark.parametrize("user", ["", nats_users.CLIENT])
async def test_who_only_reads_can_write_nowhere(platform: Platform, user: str) -> None:
    before = await _messages(platform, streams.TICKS)
    connection = await platform.connect(user)
    for subject in FORGERIES:
        with pytest.raises(NotPermitted, match=subject.split("*")[0].replace("$", r"\$")):
            await connection.request(subject, b"forged", timeout_s=5)
    assert connection.not_permitted == len(FORGERIES)
    assert await _messages(platform, streams.TICKS) == before


@pytest.mark.parametrize("user", ["", nats_users.CLIENT])
async def test_who_only_reads_hears_nothing_between_services(platform: Platform, user: str) -> None:
    connection, gateway = await platform.connect(user), await platform.connect("gateway")
    heard: list[str] = []
    for subject in ("market.raw.>", "market.packed.>", "_REPLY.>", "kv.>", "$KV.>", "cmd.>", "rpc.>", "$JS.API.>", ">"):
        await connection.subscribe(subject, lambda message: heard.append(message.subject))
    await connection.subscribe("market.>", lambda message: heard.append(message.subject))
    await connection.flush()
    await publish_ack(gateway, "market.raw.0", b"raw")
    await publish_ack(gateway, f"$KV.{LEASES}.gateway.default", b"mine")
    await publish_ack(await platform.connect("validator"), TICK, b"true")
    async with asyncio.timeout(10):
        while not heard:
            await asyncio.sleep(0.01)
    await connection.flush()
    assert set(heard) == {TICK}


async def test_an_answer_cannot_be_sent_to_a_subject_of_the_market(platform: Platform) -> None:
    """A question names the subject of its answer, and whoever answers has rights that the asker has not."""
    query, before = await platform.connect("query"), await _messages(platform, streams.TICKS)

    def answer(message: object) -> None:
        asyncio.get_running_loop().create_task(query.publish(getattr(message, "reply", ""), b"forged"))

    await query.subscribe("rpc.query.forge", answer)
    await query.flush()
    listener = await platform.connect("aggregator")
    heard: list[bytes] = []
    await (await platform.connect("api")).subscribe("market.>", lambda message: heard.append(message.data))
    for user in ("", nats_users.CLIENT):
        asker = await platform.connect(user)
        assert (await asker.request("rpc.query.forge", b"", timeout_s=5)).data == b"forged"
        await asker.publish("rpc.query.forge", b"", None, TICK)
        await asker.flush()
    async with asyncio.timeout(10):
        while not query.not_permitted:
            await asyncio.sleep(0.01)
    await listener.flush()
    assert await _messages(platform, streams.TICKS) == before
    assert b"forged" not in heard


async def test_a_client_with_an_account_reads_streams_and_forges_for_itself_alone(platform: Platform) -> None:
    client, before = await platform.connect(nats_users.CLIENT), await _messages(platform, streams.TICKS)
    last = await direct_get_last(client, streams.TICKS, TICK)
    assert last is not None
    assert last.data == b"true"
    assert set(await last_of_each(client, streams.TICKS, ["market.tick.>"])) == {TICK}
    first = await next_of(client, streams.TICKS, TICK, 1)
    assert first is not None
    heard: list[str] = []
    for user in ("", "api", "aggregator"):
        listener = await platform.connect(user)
        await listener.subscribe(TICK if user != "aggregator" else "event.>", lambda _, user=user: heard.append(user))
        await listener.flush()
    await client.subscribe(TICK, lambda _: heard.append("itself"))
    question = json.dumps({"last_by_subj": TICK}).encode()
    await client.publish(f"$JS.API.DIRECT.GET.{streams.TICKS}", question, None, TICK)
    async with asyncio.timeout(10):
        while "itself" not in heard:
            await asyncio.sleep(0.01)
    assert heard == ["itself"]
    assert await _messages(platform, streams.TICKS) == before


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("gateway", TICK),
        ("gateway", "market.packed.0"),
        ("gateway", f"$KV.{LEASES}.storage.default"),
        ("validator", "market.raw.0"),
        ("validator", "market.bar.1m.ru1901"),
        ("aggregator", TICK),
        ("storage", TICK),
        ("storage", f"$KV.{ACCESS}.user.me"),
        ("storage", "stage.validator.0.ck"),
        ("query", TICK),
        ("query", f"$KV.{streams.STORE_RANGES}.MARKET_TICKS"),
        ("monitor", TICK),
        ("monitor", "cmd.gateway.disconnect"),
        ("monitor", "inspect.api.somebody.logs"),
        ("query", "inspect.query.somebody.logs"),
        ("api", TICK),
        ("api", f"$KV.{LEASES}.gateway.default"),
        ("up", TICK),
        ("operator", TICK),
        ("operator", "market.raw.0"),
    ],
)
async def test_a_service_cannot_do_the_work_of_another(platform: Platform, user: str, subject: str) -> None:
    connection = await platform.connect(user)
    with pytest.raises(NotPermitted):
        await connection.request(subject, b"forged", timeout_s=5)


@pytest.mark.parametrize("user", [*catalogue.names(), nats_users.SUPERVISOR, nats_users.OPERATOR])
async def test_nobody_may_delete_the_market(platform: Platform, user: str) -> None:
    connection = await platform.connect(user)
    for stream in (*streams.MARKET_STREAMS, f"KV_{LEASES}", "COMMANDS", "AUDIT"):
        for what in ("STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.DELETE", "STREAM.RESTORE"):
            if what == "STREAM.PURGE" and stream.startswith("KV_"):
                continue  # a key that is deleted is taken out by it
            with pytest.raises(NotPermitted):
                await api(connection, f"{what}.{stream}")


async def test_only_those_who_keep_accounts_or_copy_them_see_them(platform: Platform) -> None:
    api_user = await platform.connect("api")
    bucket = await NatsKeyValue.open(api_user, ACCESS)
    await bucket.put("user.one", b"digest")
    for user in catalogue.names():
        if user == "api":
            continue
        connection, heard = await platform.connect(user), []
        await connection.subscribe(f"kv.{ACCESS}.>", lambda message, heard=heard: heard.append(message))
        if user == "storage":  # a backup has every stream and bucket, and compares it
            assert await direct_get_last(connection, f"KV_{ACCESS}", f"$KV.{ACCESS}.user.one") is not None
        else:
            with pytest.raises(NotPermitted):
                await direct_get_last(connection, f"KV_{ACCESS}", f"$KV.{ACCESS}.user.one")
            with pytest.raises(NotPermitted):
                await api(connection, f"STREAM.SNAPSHOT.KV_{ACCESS}", {"deliver_subject": connection.inbox()})
        with pytest.raises(NotPermitted):
            await PullConsumer(connection, f"KV_{ACCESS}", [f"$KV.{ACCESS}.>"]).open()
        await bucket.put("user.one", b"digest")
        await connection.flush()
        assert heard == []


async def test_a_wrong_password_is_refused_in_words(platform: Platform) -> None:
    access = NatsAccess(user="gateway", password=Secret("wrong-one"))
    with pytest.raises(NotConnected, match="Authorization Violation") as raised:
        await NatsConnection.open(platform.server.url, access=access, connect_timeout_s=1)
    assert "wrong-one" not in str(raised.value)


async def test_a_user_without_a_file_is_told_which(platform: Platform) -> None:
    with pytest.raises(InvalidSetting, match=r"password_file: expected a file that can be read, was .*/nobody"):
        await NatsConnection.open(platform.server.url, access=NatsAccess.of_user(platform.users, "nobody"))


def test_every_service_has_rights_and_no_client_takes_the_name_of_one() -> None:
    assert {*catalogue.names(), "up", "operator", "reader"} == set(nats_users.accounts().users)
    for name in ("storage", "reader", "a b", "", "x.y"):
        with pytest.raises(InvalidSetting, match="client: expected a name"):
            nats_users.accounts((name,))


async def test_a_server_that_gets_accounts_or_loses_them_keeps_what_it_has(tmp_path: Path) -> None:
    found = nats_users.accounts()
    config = await asyncio.to_thread(lambda: found.config(passwords_in(tmp_path / "users", found.names)))
    own = NatsAccess.of_user(tmp_path / "users", "validator")
    for number, (accounts, access) in enumerate((("", None), (config, own)) * 2, 1):
        server = await EmbeddedServer.start(EmbeddedOptions(tmp_path, port=0, accounts=accounts))
        connection = await NatsConnection.open(server.url, access=access)
        await streams.ensure_streams(connection)
        assert (await publish_ack(connection, TICK, b"one more")).seq == number
        await connection.close()
        await server.stop()


def test_files_of_passwords_are_private_and_stay(tmp_path: Path) -> None:
    first = passwords_in(tmp_path / "users", ("one", "two"))
    again = passwords_in(tmp_path / "users", ("one", "two", "three"), frozenset({"two"}))
    assert (first["one"] == again["one"], first["two"] == again["two"]) == (True, False)
    assert all(len(password) > 40 for password in again.values())
    assert {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "users").iterdir()} == {"0o600"}


def test_the_settings_say_who_a_process_is(tmp_path: Path) -> None:
    settings = load(None, {"nats": {"users": str(tmp_path), "ca": "/x/ca.pem"}})
    found = settings.nats.access("gateway")
    assert (found.user, found.password_file, found.inbox) == ("gateway", tmp_path / "gateway", "_REPLY.gateway")
    assert found.ca == Path("/x/ca.pem")
    own = load(None, {"nats": {"users": str(tmp_path), "user": "me", "password": "x"}})
    assert own.nats.access("gateway").user == "me"


@pytest.mark.parametrize("stream", streams.STORED)
async def test_the_storage_may_ask_all_that_it_needs_of_a_stream(platform: Platform, stream: str) -> None:
    source = StreamRanges(await platform.connect("storage"), stream)
    bounds = await source.bounds()
    await source.open(1)
    assert await source.settled(bounds.last) in (bounds.last, (await source.bounds()).last)
    assert await source.lacks(1, bounds.last) is False
    assert await source.time_at(bounds.first or 1) == (bounds.ts_first if bounds.last else NO_MESSAGE)
    await source.close()


async def test_a_gateway_may_read_where_the_one_before_left_off(platform: Platform) -> None:
    """A venue's pipeline that is started again, and a takeover, begin with it."""
    found = await read_left_off(await platform.connect("gateway"), "okx", ["BTC-USDT"], since=1)
    assert found.trades == {}
    assert list(found.recent) == []
