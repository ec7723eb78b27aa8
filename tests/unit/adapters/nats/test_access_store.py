"""What gateways know of credentials while a replica is behind, and while a bucket has no leader."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator

import msgspec
import pytest

from marketprism_adapters.nats.access_store import ACCESS, NatsAccessStore
from marketprism_application.access.logins import RefreshFamilies
from marketprism_application.access.refusals import AccessRefused
from marketprism_application.contracts.access_records import AccessRecord, ApiKey, Session, User
from marketprism_application.ports.access_store import Change
from marketprism_sdk.nats.jetstream import ServerJson, api
from tests.simulation.scene import Fate, Scene, played
from tests.simulation.subjects import make_headers

ANN = User(id="ann", roles=("quant",))
NO_ANN = msgspec.structs.replace(ANN, is_disabled=True, version=2)
KEY = ApiKey(id="k7f3", owner="ann", digest=b"\x01" * 32)
BUCKET = f"KV_{ACCESS}"
INFO, REPLICAS = f"$JS.API.STREAM.INFO.{BUCKET}", f"$JS.API.DIRECT.GET.{BUCKET}"
SUBJECTS = {User: "user.ann", ApiKey: "key.k7f3"}


def put(scene: Scene, record: AccessRecord) -> None:
    """Another instance has written it."""
    scene.put(f"$KV.{ACCESS}.{SUBJECTS[type(record)]}", msgspec.msgpack.encode(record))


def deafen(scene: Scene) -> None:
    """Watches bring nothing any more."""
    scene.server.jetstream.keeps_republished = lambda: False


def old(last: int) -> Fate:
    """A replica answers that has the bucket up to there."""
    return lambda asked: json.dumps({**json.loads(asked), "up_to_seq": last}).encode()


def without(_: bytes) -> bytes:
    """A replica answers that has no such key."""
    return json.dumps({"last_by_subj": "none"}).encode()


class Member:
    """One that keeps the bucket's stream and stays as it is now. It answers in place of a leader, where it is to."""

    def __init__(self, scene: Scene, info: ServerJson) -> None:
        self._server = scene.server
        self._info = info | {"cluster": {"name": "simulated", "replicas": []}}
        self._ask = scene.server.jetstream.ask
        self.answers_looks = self.answers_lists = False
        scene.server.jetstream.ask = self._asked  # type: ignore[method-assign]

    @classmethod
    async def now(cls, scene: Scene) -> Member:
        """As it has everything."""
        connection = await scene.connect()
        return cls(scene, await api(connection, f"STREAM.INFO.{BUCKET}", {"subjects_filter": ">"}))

    def _asked(self, subject: str, data: bytes, reply: str) -> bool:
        if subject != INFO or not (self.answers_lists if data else self.answers_looks):
            return self._ask(subject, data, reply)
        self._server.deliver(reply, reply, "", b"", json.dumps(self._info).encode())
        return True


@contextlib.asynccontextmanager
async def started(scene: Scene) -> AsyncIterator[NatsAccessStore]:
    store = NatsAccessStore(await scene.connect())
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


@played
async def test_a_revocation_that_a_replica_lacks_is_read_when_it_has_it(scene: Scene) -> None:
    async with started(scene) as store:
        put(scene, ANN)
        await scene.until(lambda: store.get(User, "ann") == ANN)
        deafen(scene)
        scene.server.meet(REPLICAS, *(old(1) for _ in range(3)))
        put(scene, NO_ANN)
        await scene.until(lambda: store.get(User, "ann") == NO_ANN, 3.0)
        assert store.silent_s() == 0


@played
async def test_nobody_is_let_in_while_a_replica_lacks_a_revocation_for_long(scene: Scene) -> None:
    async with started(scene) as store:
        put(scene, ANN)
        await scene.until(lambda: store.get(User, "ann") == ANN)
        deafen(scene)
        scene.server.meet(REPLICAS, *(old(1) for _ in range(200)))
        put(scene, NO_ANN)
        await scene.until(lambda: store.silent_s() > 5)
        assert store.get(User, "ann") == ANN
        await scene.until(lambda: store.silent_s() == 0)
        assert store.get(User, "ann") == NO_ANN


@played
async def test_whoever_begins_beside_a_replica_that_is_behind_waits_for_it(scene: Scene) -> None:
    async with started(scene):
        put(scene, ANN)
        put(scene, NO_ANN)
        scene.server.meet(REPLICAS, *(old(1) for _ in range(150)))
        async with started(scene) as late:
            assert late.get(User, "ann") == NO_ANN


@played
async def test_a_key_is_not_dropped_for_the_list_of_a_member_that_has_not_got_it(scene: Scene) -> None:
    async with started(scene) as store:
        changes: list[Change] = []
        store.on_change(changes.append)
        put(scene, ANN)
        await scene.until(lambda: store.get(User, "ann") == ANN)
        behind = await Member.now(scene)
        behind.answers_lists = True  # the leader answers the look, and dies then
        put(scene, KEY)
        await scene.until(lambda: store.silent_s() > 3)  # what the leader has told of is not known to be read
        behind.answers_lists = False
        await scene.until(lambda: store.silent_s() == 0)
        assert store.get(ApiKey, KEY.id) == KEY
        assert [change.record for change in changes] == [ANN, KEY]


@played
async def test_while_there_is_no_leader_a_member_that_is_behind_keeps_nobody_out_and_is_not_read(scene: Scene) -> None:
    async with started(scene) as store:
        put(scene, ANN)
        behind = await Member.now(scene)
        put(scene, KEY)
        await scene.until(lambda: store.get(ApiKey, KEY.id) == KEY)
        end_s = scene.now_s + 2.5  # looks have seen it
        await scene.until(lambda: scene.now_s > end_s)
        read = len(scene.came(REPLICAS))
        behind.answers_looks = behind.answers_lists = True
        end_s = scene.now_s + 10.0
        while scene.now_s < end_s:
            assert store.silent_s() == 0
            await scene.until(lambda at_s=scene.now_s: scene.now_s > at_s + 0.1)  # type: ignore[misc]
        assert len(scene.came(REPLICAS)) == read
        assert store.get(ApiKey, KEY.id) == KEY


@played
async def test_while_there_is_no_leader_what_any_member_has_is_read(scene: Scene) -> None:
    async with started(scene) as store:
        put(scene, ANN)
        await scene.until(lambda: store.get(User, "ann") == ANN)
        deafen(scene)
        put(scene, NO_ANN)
        member = await Member.now(scene)
        member.answers_looks = member.answers_lists = True
        await scene.until(lambda: store.get(User, "ann") == NO_ANN, 3.0)
        assert store.silent_s() == 0


@played
async def test_of_a_bucket_that_was_made_anew_counts_what_it_holds(scene: Scene) -> None:
    """Restored, say: its revisions are lower than those of the one before."""
    async with started(scene) as store:
        for record in (ANN, ANN, ANN, KEY):
            put(scene, record)
        await scene.until(lambda: store.get(ApiKey, KEY.id) == KEY and store.silent_s() == 0)
        end_s = scene.now_s + 2.5  # looks have seen it
        await scene.until(lambda: scene.now_s > end_s)
        connection = await scene.connect()
        config = (await api(connection, f"STREAM.INFO.{BUCKET}"))["config"]
        await api(connection, f"STREAM.DELETE.{BUCKET}")
        await api(connection, f"STREAM.CREATE.{BUCKET}", config)
        put(scene, NO_ANN)
        await scene.until(lambda: store.get(User, "ann") == NO_ANN and store.get(ApiKey, KEY.id) is None, 3.0)
        put(scene, KEY)
        await scene.until(lambda: store.get(ApiKey, KEY.id) == KEY, 3.0)
        assert store.silent_s() == 0


# -- what is read and removed at the leader -----------------------------------------------------------------------------


@played
async def test_a_session_is_read_and_ended_though_a_replica_has_not_got_it(scene: Scene) -> None:
    async with started(scene) as store:
        session = Session(id="s1", user="ann", version=1)
        await store.write(session, 0)
        replica = "$JS.API.DIRECT.GET.KV_access_sessions"
        scene.server.meet(replica, without, without)
        found = await store.read(Session, "s1")
        assert found is not None
        assert found.record == session
        await store.remove(Session, "s1")
        assert scene.data("KV_access_sessions") == []
        assert store.get(Session, "s1") is None
        await store.remove(Session, "s1")
        await store.remove(Session, "s1", found.revision)


@played
async def test_a_login_goes_on_with_its_new_token_though_a_replica_has_the_one_before(scene: Scene) -> None:
    async with started(scene) as store:
        families = RefreshFamilies(store, lambda: 1)
        begun = await families.begin(ANN, "f1", b"1", "", "")
        scene.put(f"$KV.{ACCESS}.refresh.before", msgspec.msgpack.encode(begun))
        await families.rotate("f1", b"1", b"2")

        def before(_: bytes) -> bytes:
            return json.dumps({"last_by_subj": f"$KV.{ACCESS}.refresh.before"}).encode()

        scene.server.meet(REPLICAS, before)
        assert (await families.rotate("f1", b"2", b"3")).digest == b"3"
        scene.server.meet(REPLICAS, before)
        with pytest.raises(AccessRefused):  # one that was used
            await families.rotate("f1", b"1", b"4")
        assert scene.data(BUCKET, f"$KV.{ACCESS}.refresh.f1") == []


@played
async def test_a_record_that_comes_behind_its_own_end_stays_away(scene: Scene) -> None:
    async with started(scene) as store:
        changes: list[Change] = []
        store.on_change(changes.append)

        def told_of(seq: int, data: bytes, **headers: str) -> None:
            subject = f"kv.{ACCESS}.{SUBJECTS[ApiKey]}"
            raw = make_headers({"Nats-Sequence": str(seq), **headers})
            scene.server.deliver(subject, subject, "", raw, data)

        told_of(5, b"", **{"KV-Operation": "DEL"})
        told_of(4, msgspec.msgpack.encode(KEY))
        later = msgspec.structs.replace(KEY, name="later")
        told_of(6, msgspec.msgpack.encode(later))
        await scene.until(lambda: changes)
        assert changes == [Change(ApiKey, KEY.id, later)]
