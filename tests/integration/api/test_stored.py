"""Streams and buckets through the door: what they hold is read and not taken, and what is secret or not for everybody
is refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.access_store import ACCESS, FAILURES, ROWS, SESSIONS
from marketprism_application.contracts.access_records import Grant
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import EVENT, TICK
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, encode_packed
from marketprism_application.contracts.subjects import tick_subject
from marketprism_sdk.election import LEASES, encode_lease
from marketprism_sdk.messaging import ensure_command_streams, send_command
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import api as js
from marketprism_sdk.nats.jetstream import publish_ack, stream_info
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.contract.test_codec import SAMPLES
from tests.fakes.ticks import at, tick
from tests.integration.api.access_side import gateway

pytestmark = pytest.mark.timeout(120)
STREAMS, BUCKETS = "/api/v1/system/streams", "/api/v1/system/buckets"


async def test_a_stream_is_seen_with_its_subjects_and_who_reads_it(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    await streams.ensure_streams(connection)
    for number in range(3):
        record = tick(at("2025-03-03 09:00:00"), "1.5", number)._replace(symbol=unique)
        await publish_ack(connection, tick_subject(unique), encode(TICK, record))
    config = {"name": unique, "ack_policy": "none", "filter_subject": tick_subject(unique)}
    asked = {"stream_name": streams.TICKS, "config": config}
    await js(connection, f"CONSUMER.CREATE.{streams.TICKS}.{unique}.{tick_subject(unique)}", asked)
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("viewer"), limits="bulk")
        found = (await api.ask("GET", f"{STREAMS}/{streams.TICKS}", key)).data
        assert (found["stream"], found["retention"]) == (streams.TICKS, "limits")
        assert {"subject": tick_subject(unique), "messages": 3} in found["top_subjects"]
        (own,) = [each for each in found["consumers"] if each["consumer"] == unique]
        assert (own["filters"], own["pending"], own["delivered_seq"]) == ([tick_subject(unique)], 3, 0)
        assert found["last_seq"] >= found["first_seq"] > 0
        audit = (await api.ask("GET", f"{STREAMS}/AUDIT", key)).data
        assert audit["stream"] == "AUDIT"
    await js(connection, f"CONSUMER.DELETE.{streams.TICKS}.{unique}")


async def test_messages_are_decoded_where_their_kind_is_known(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    await streams.ensure_streams(connection)
    record = tick(at("2025-03-03 09:00:00"), "1.5", 7)._replace(symbol=unique)
    seqs = []
    for number in range(5):
        data = encode(TICK, record._replace(seq=number))
        seqs.append((await publish_ack(connection, tick_subject(unique), data)).seq)
    packed = Packed(PACKED_VERSION, "sim", 3, 1, tuple(record._replace(seq=number) for number in range(30)))
    packed_seq = (await publish_ack(connection, "market.packed.0", encode_packed(packed))).seq
    broken_seq = (await publish_ack(connection, f"market.tick.{unique}broken", b"\xc1" * 400)).seq
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("viewer"), limits="bulk")
        path = f"{STREAMS}/{streams.TICKS}/messages"
        own = f"{path}?subject={tick_subject(unique)}"
        page = (await api.ask("GET", f"{own}&limit=2", key)).data
        assert ([each["seq"] for each in page["messages"]], page["more"]) == (seqs[-2:], True)
        newest = page["messages"][-1]
        assert (newest["kind"], newest["data"]["symbol"], newest["data"]["last"]) == ("tick", unique, "1.5")
        then = (await api.ask("GET", f"{own}&after_seq={seqs[1]}&limit=2", key)).data
        assert ([each["seq"] for each in then["messages"]], then["more"]) == (seqs[2:4], True)
        rest = (await api.ask("GET", f"{own}&after_seq={then['after_seq']}&limit=2", key)).data
        assert ([each["seq"] for each in rest["messages"]], rest["more"]) == (seqs[4:], False)
        since = (await api.ask("GET", f"{own}&from={newest['ts']}", key)).data["messages"]
        assert [each["seq"] for each in since] == seqs[-1:]
        (one,) = (await api.ask("GET", f"{path}?after_seq={packed_seq - 1}&limit=1", key)).data["messages"]
        shown = one["data"]
        assert (one["kind"], shown["count"], len(shown["ticks"]), shown["source"]) == ("packed", 30, 20, "sim")
        assert (shown["ticks"][1]["seq"], shown["ticks"][1]["last"]) == (1, "1.5")
        (bad,) = (await api.ask("GET", f"{path}?after_seq={broken_seq - 1}&limit=1", key)).data["messages"]
        assert (bad["kind"], bad["bytes"], bad["hex"]) == ("", 400, "c1" * 256)
        assert bad["expected"].startswith("tick message: ")
        event = SAMPLES["event"]._replace(symbol="", name=unique)
        await publish_ack(connection, f"market.event.{unique}", encode(EVENT, event))
        events = f"{STREAMS}/{streams.EVENTS}/messages?subject=market.event.{unique}"
        (told,) = (await api.ask("GET", events, key)).data["messages"]
        assert (told["kind"], told["data"]["name"]) == ("event", unique)


async def test_a_command_that_waits_is_seen_and_stays_on_its_queue(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    await ensure_command_streams(connection)
    await send_command(connection, unique, "Connect", {"front": "tcp://1", "password": "s3cret"}, issuer="user:li")
    before = (await stream_info(connection, "COMMANDS"))["state"]
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("viewer"), limits="bulk")
        path = f"{STREAMS}/COMMANDS/messages?subject=cmd.{unique}.>"
        for _ in range(3):
            answer = await api.ask("GET", path, key)
            (waits,) = answer.data["messages"]
            assert waits["kind"] == "command"
            assert "s3cret" not in json.dumps(answer.body)
            assert "tcp://1" in json.dumps(waits["data"])
    after = (await stream_info(connection, "COMMANDS"))["state"]
    assert (after["messages"], after["consumer_count"]) == (before["messages"], before["consumer_count"])


async def test_market_data_is_for_who_may_see_all_of_it(nats_url: str, connection: NatsConnection) -> None:
    await streams.ensure_streams(connection)
    async with gateway(nats_url) as api:
        ann = await api.user("viewer")
        some = await api.key(ann, limits="bulk", grants=(Grant(venues=("shfe",)),))
        for stream in streams.MARKET_STREAMS:
            answer = await api.ask("GET", f"{STREAMS}/{stream}/messages", some)
            assert (answer.status, answer.code) == (403, "NOT_ENTITLED"), stream
            assert (await api.ask("GET", f"{STREAMS}/{stream}", some)).status == 200
        for bucket in (streams.LATEST_TICKS, streams.LATEST_BARS, streams.QUALITY, streams.STREAM_STATES):
            assert (await api.ask("GET", f"{BUCKETS}/{bucket}", some)).code == "NOT_ENTITLED"
        assert (await api.ask("GET", f"{BUCKETS}/service_instances", some)).status == 200
        reader = await api.key(ann, scopes=("md:read",))
        for path in (f"{STREAMS}/{streams.TICKS}", f"{STREAMS}/{streams.TICKS}/messages", BUCKETS, f"{BUCKETS}/shards"):
            assert (await api.ask("GET", path, reader)).code == "FORBIDDEN"


async def test_buckets_show_what_services_share(nats_url: str, connection: NatsConnection, unique: str) -> None:
    leases = await NatsKeyValue.open(connection, LEASES)
    await leases.put(f"{unique}.main", encode_lease("desk-1", 3, "held", ""))
    newest = await NatsKeyValue.open(connection, streams.LATEST_TICKS, ttl_s=3600)
    record = tick(at("2025-03-03 09:00:00"), "1.5", 7)._replace(symbol=unique)
    for venue in ("shfe", "dce", "czce"):
        await newest.put(f"tick.{unique}.{venue}", encode(TICK, record._replace(venue=venue)))
    await newest.put(f"tick.{unique}.gone", b"x")
    await newest.delete(f"tick.{unique}.gone")
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("viewer"), limits="bulk")
        rows = {each["bucket"]: each for each in (await api.ask("GET", BUCKETS, key)).data}
        assert (rows[LEASES]["ttl_s"], rows[streams.LATEST_TICKS]["ttl_s"]) == (None, 3600)
        assert rows["service_instances"]["entries"] >= 1
        assert not rows.keys() & {ACCESS, SESSIONS, FAILURES, ROWS}
        (lease,) = (await api.ask("GET", f"{BUCKETS}/{LEASES}?keys={unique}.*", key)).data["entries"]
        assert lease["key"] == f"{unique}.main"
        assert "desk-1" in json.dumps(lease["data"])
        ticks = (await api.ask("GET", f"{BUCKETS}/{streams.LATEST_TICKS}?keys=tick.{unique}.*&limit=2", key)).data
        assert [each["key"] for each in ticks["entries"]] == [f"tick.{unique}.czce", f"tick.{unique}.dce"]
        assert (ticks["count"], ticks["more"], ticks["entries"][0]["data"]["last"]) == (3, True, "1.5")
        own: list[Any] = (await api.ask("GET", f"{BUCKETS}/service_instances?keys=api.>", key)).data["entries"]
        assert api.service.instance in {each["data"]["instance"] for each in own}


async def test_what_holds_secrets_is_refused_and_so_is_what_nobody_lists(
    nats_url: str, connection: NatsConnection
) -> None:
    hidden = await NatsKeyValue.open(connection, "somebodys_own")
    await hidden.put("a", msgspec.msgpack.encode("s3cret"))
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("admin"), limits="bulk")
        for bucket in (ACCESS, SESSIONS, FAILURES, ROWS):
            answer = await api.ask("GET", f"{BUCKETS}/{bucket}", key)
            assert (answer.status, answer.code) == (403, "FORBIDDEN"), bucket
            assert (await api.ask("GET", f"{STREAMS}/KV_{bucket}", key)).code == "NOT_FOUND"
            assert (await api.ask("GET", f"{STREAMS}/KV_{bucket}/messages", key)).code == "NOT_FOUND"
        assert (await api.ask("GET", f"{STREAMS}/AUDIT/messages", key)).code == "FORBIDDEN"
        for path, code in (
            (f"{BUCKETS}/somebodys_own", "NOT_FOUND"),
            (f"{STREAMS}/KV_somebodys_own", "NOT_FOUND"),
            (f"{STREAMS}/NOTHING/messages", "NOT_FOUND"),
            (f"{STREAMS}/a.b", "INVALID_PARAMETER"),
            (f"{STREAMS}/%3E/messages", "INVALID_PARAMETER"),
            (f"{STREAMS}/COMMANDS/messages?subject=a..b", "INVALID_PARAMETER"),
            (f"{STREAMS}/COMMANDS/messages?subject=%3E.a", "INVALID_PARAMETER"),
            (f"{STREAMS}/COMMANDS/messages?subject=a%20b", "INVALID_PARAMETER"),
            (f"{STREAMS}/COMMANDS/messages?limit=101", "INVALID_PARAMETER"),
            (f"{STREAMS}/COMMANDS/messages?after_seq=1&from=2025-01-01", "INVALID_PARAMETER"),
            (f"{BUCKETS}/{LEASES}?keys=a..b", "INVALID_PARAMETER"),
        ):
            answer = await api.ask("GET", path, key)
            assert answer.code == code, (path, answer.body)
