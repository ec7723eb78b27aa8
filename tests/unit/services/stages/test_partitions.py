"""What is said of partitions that are not worked on as their records say."""

from __future__ import annotations

import msgspec

from marketprism_adapters.nats.partition_owners import problem_lines, problems_of, shares
from marketprism_application.contracts.partitions import PARTITIONS
from marketprism_sdk.messaging import InstanceRecord
from marketprism_sdk.partitions import OwnerRecord, SessionRecord
from marketprism_sdk.ports import KvEntry


def _entry(key: str, value: object) -> KvEntry:
    return KvEntry(key, value if isinstance(value, bytes) else msgspec.msgpack.encode(value), 1)


def _instance(name: str, partitions: list[int] | None) -> InstanceRecord:
    metadata = {} if partitions is None else {"partitions": partitions}
    return InstanceRecord("aggregator", name, "0", "active", 0, 0, {}, metadata)


def _bucket(**others: object) -> list[KvEntry]:
    """`a` holds the first half and `b` the second, both are alive; `others` replace entries."""
    entries: dict[str, object] = {"sess.a": SessionRecord("live"), "sess.b": SessionRecord("drain")}
    entries |= {f"own.{p}": OwnerRecord("a" if p < PARTITIONS // 2 else "b", 3) for p in range(PARTITIONS)}
    entries |= {key.replace("_", "."): value for key, value in others.items()}
    return [_entry(key, value) for key, value in entries.items() if value is not None]


HALF = PARTITIONS // 2
BOTH = [_instance("a", list(range(HALF))), _instance("b", list(range(HALF, PARTITIONS)))]


def _told(entries: list[KvEntry], instances: list[InstanceRecord]) -> list[str]:
    return problem_lines(problems_of("aggregator", shares(entries), instances))


def test_nothing_is_wrong_when_everybody_works_on_what_he_holds() -> None:
    assert _told(_bucket(), BOTH) == []


def test_a_holder_that_does_not_work_is_named() -> None:
    idle = [_instance("a", [p for p in range(HALF) if p not in (3, 4)]), BOTH[1]]
    assert _told(_bucket(), idle) == ["aggregator: partitions 3-4 are held by a, who does not work on it"]


def test_an_instance_that_does_not_say_what_it_works_on_is_believed() -> None:
    assert _told(_bucket(), [_instance("a", None), BOTH[1]]) == []


def test_a_holder_whose_session_or_process_is_gone_is_not_alive() -> None:
    wanted = [f"aggregator: partitions {HALF}-{PARTITIONS - 1} are held by b, who is not alive"]
    assert _told(_bucket(), BOTH[:1]) == wanted
    assert _told(_bucket(sess_b=SessionRecord("dead")), BOTH) == wanted
    assert _told(_bucket(sess_b=None), BOTH) == wanted


def test_what_nobody_holds_is_named_whether_released_never_claimed_or_not_understood() -> None:
    entries = _bucket(own_0=OwnerRecord("a", 3, "released"), own_1=None, own_9=b"\xc1 no record", own_x=b"")
    assert _told(entries, BOTH) == ["aggregator: partitions 0-1 9 are held by nobody"]
    assert shares(entries).malformed == ("own.9", "own.x")


def test_a_service_that_does_not_run_has_no_problem_with_partitions() -> None:
    assert _told(_bucket(own_0=None), []) == []
