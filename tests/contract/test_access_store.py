"""AccessStore and AuditLog: one suite over memory and real NATS."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from marketprism_adapters.memory.access_store import MemoryAccess, MemoryAccessStore, MemoryAuditLog
from marketprism_adapters.nats.access_store import NatsAccessStore
from marketprism_adapters.nats.audit_log import AUDIT, NatsAuditLog
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.access_records import ApiKey, AuditRecord, Session, User
from marketprism_application.ports.access_store import AccessStore, AuditLog, Change, RecordChanged
from marketprism_sdk.errors import StreamError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api
from marketprism_sdk.testing import FaultyProxy

ANN = User(id="ann", roles=("quant",))
_SIDES = 5
KEY = ApiKey(id="k7f3", owner="ann", digest=b"\x01" * 32, scopes=("md:read",))


@pytest.fixture(params=["memory", "nats"])
async def sides(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sequence[AccessStore]]:
    """Five instances' sides of one store."""
    if request.param == "memory":
        place = MemoryAccess()
        yield [MemoryAccessStore(place) for _ in range(_SIDES)]
        return
    async with contextlib.AsyncExitStack() as stack:
        server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
        stack.push_async_callback(server.stop)
        made = []
        for _ in range(_SIDES):
            connection = await NatsConnection.open(server.url, name="side")
            stack.push_async_callback(connection.close)
            side = NatsAccessStore(connection)
            await side.start()
            stack.push_async_callback(side.stop)
            made.append(side)
        yield made


async def test_a_record_is_written_by_whoever_has_seen_the_last_one(sides: Sequence[AccessStore]) -> None:
    one, other, *_ = sides
    first = await one.write(ANN, 0)
    with pytest.raises(RecordChanged):
        await other.write(ANN, 0)
    later = msgspec.structs.replace(ANN, display="Ann")
    assert await other.write(later, first) > first
    with pytest.raises(RecordChanged):
        await one.write(ANN, first)
    stored = await one.read(User, "ann")
    assert stored is not None
    assert stored.record == later == one.get(User, "ann")
    assert await one.read(User, "bob") is None
    await one.remove(User, "bob")
    await one.remove(User, "ann")
    assert await other.read(User, "ann") is None
    revision = await other.write(ANN, 0)
    with pytest.raises(RecordChanged):
        await one.remove(User, "ann", revision - 1)
    assert await one.read(User, "ann") is not None
    await one.remove(User, "ann", revision)
    assert await other.read(User, "ann") is None
    await one.remove(User, "ann", revision)  # it is gone: that is fine
    assert one.silent_s() == 0


async def test_every_instance_hears_of_what_is_written_and_revoked(
    sides: Sequence[AccessStore], eventually: Callable[..., Any]
) -> None:
    one, other, third, *_ = sides
    changes: list[Change] = []
    forget = third.on_change(changes.append)
    revision = await one.write(KEY, 0)
    await one.write(ANN, 0)
    await one.write(Session(id="s1", user="ann", version=1), 0)
    await eventually(lambda: all(side.get(ApiKey, KEY.id) == KEY for side in sides))
    await eventually(lambda: all(side.get(Session, "s1") is not None for side in sides))
    revoked = msgspec.structs.replace(KEY, ts_revoked=1)
    await other.write(revoked, revision)
    await eventually(lambda: all(side.get(ApiKey, KEY.id) == revoked for side in sides))
    await one.remove(Session, "s1")
    await eventually(lambda: all(side.get(Session, "s1") is None for side in sides))
    await eventually(lambda: Change(Session, "s1", None) in changes)
    assert [each.id for each in third.all(User)] == ["ann"]
    assert [change.record for change in changes if change.kind is ApiKey] == [KEY, revoked]
    forget()
    await one.remove(User, "ann")
    await eventually(lambda: third.get(User, "ann") is None)
    assert Change(User, "ann", None) not in changes


async def test_who_comes_later_has_what_is_there(tmp_path: Path) -> None:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    connection = await NatsConnection.open(server.url, name="side")
    one = NatsAccessStore(connection)
    await one.start()
    for number in range(5):
        await one.write(msgspec.structs.replace(ANN, id=f"u{number}"), 0)
    await one.remove(User, "u3")
    late = NatsAccessStore(connection)
    await late.start()
    assert [each.id for each in late.all(User)] == ["u0", "u1", "u2", "u4"]
    await one.stop()
    await late.stop()
    await connection.close()
    await server.stop()


@pytest.fixture(params=["memory", "nats"])
async def audit(request: pytest.FixtureRequest, connection: NatsConnection) -> AuditLog:
    if request.param == "memory":
        return MemoryAuditLog()
    log = NatsAuditLog(connection)
    await log.start()
    return log


async def test_records_of_the_audit_log_are_read_newest_first(audit: AuditLog, unique: str) -> None:
    added = [AuditRecord(ts=n, who=f"user:{unique}", action="access.login", target=str(n)) for n in range(4)]
    for record in added:
        await audit.add(record)
    newest = await audit.newest(3)
    assert [record for _, record in newest] == added[:0:-1]
    before = await audit.newest(1, newest[-1][0])
    assert [record for _, record in before] == added[:1]


async def test_nothing_can_be_taken_out_of_the_audit_log(connection: NatsConnection) -> None:
    log = NatsAuditLog(connection)
    await log.start()
    await log.add(AuditRecord(ts=1, who="user:x", action="access.login"))
    seq = (await log.newest(1))[0][0]
    for request, body in (("STREAM.MSG.DELETE", {"seq": seq}), ("STREAM.PURGE", {})):
        with pytest.raises(StreamError):
            await api(connection, f"{request}.{AUDIT}", body)
    assert (await log.newest(1))[0][0] == seq


async def test_a_revocation_that_was_missed_is_read_when_the_connection_is_back(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    proxy = FaultyProxy("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    await proxy.start()
    connection, behind = await NatsConnection.open(server.url), await NatsConnection.open(proxy.url)
    one, cut_off = NatsAccessStore(connection), NatsAccessStore(behind)
    await one.start()
    await cut_off.start()
    revision = await one.write(KEY, 0)
    await eventually(lambda: cut_off.get(ApiKey, KEY.id) == KEY)
    proxy.cut()
    proxy.drop()
    await eventually(lambda: cut_off.silent_s() > 0)
    revoked = msgspec.structs.replace(KEY, ts_revoked=1)
    await one.write(revoked, revision)
    await one.write(ANN, 0)
    await one.remove(User, ANN.id)
    assert cut_off.get(ApiKey, KEY.id) == KEY
    proxy.heal()
    await eventually(lambda: cut_off.get(ApiKey, KEY.id) == revoked)
    await eventually(lambda: cut_off.silent_s() == 0)
    await one.stop()
    await cut_off.stop()
    await connection.close()
    await behind.close()
    await proxy.stop()
    await server.stop()


async def test_who_hears_nothing_knows_it_before_the_connection_is_lost(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """A server that stands still keeps its connections for seconds, and brings no revocation."""
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    connection = await NatsConnection.open(server.url)
    store = NatsAccessStore(connection)
    await store.start()
    assert store.silent_s() == 0
    server.process.send_signal(signal.SIGSTOP)
    await eventually(lambda: store.silent_s() > 0)
    assert connection.connected
    server.process.send_signal(signal.SIGCONT)
    await eventually(lambda: store.silent_s() == 0)
    await store.stop()
    await connection.close()
    await server.stop()


@pytest.mark.long
async def test_an_answer_that_comes_late_counts_from_when_it_was_asked_for(
    tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    """Where each look takes longer than the pause between two, a revocation is heard of all the same."""
    server = await EmbeddedServer.start(EmbeddedOptions(tmp_path / "nats", port=0))
    proxy = FaultyProxy("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    await proxy.start()
    connection = await NatsConnection.open(server.url)
    behind = await NatsConnection.open(proxy.url, ping_interval_s=20.0)  # late answers are no dead connection here
    one, slow = NatsAccessStore(connection), NatsAccessStore(behind)
    await one.start()
    revision = await one.write(KEY, 0)
    await slow.start()
    proxy.delay_s = 1.1  # to the server, and back
    begin_s = time.monotonic()
    revoked = msgspec.structs.replace(KEY, ts_revoked=1)
    await one.write(revoked, revision)
    await eventually(lambda: slow.silent_s() > 0)
    await eventually(lambda: slow.silent_s() < time.monotonic() - begin_s)
    assert slow.get(ApiKey, KEY.id) == revoked
    await one.stop()
    await slow.stop()
    await connection.close()
    await behind.close()
    await proxy.stop()
    await server.stop()
