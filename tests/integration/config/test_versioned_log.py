"""The log of versions, of what is set centrally and of rules: what was stored before, and writers that are killed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.config_log import CONFIG, ConfigLog
from marketprism_adapters.nats.rules_log import RulesLog
from marketprism_adapters.nats.versioned_log import CURRENT, VersionedLog
from marketprism_application.contracts.config_records import CentralLayer, ConfigRecord
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.support.configured import ConfigPlace
from tests.support.killed_writer import BY, killed_between_writes

pytestmark = [pytest.mark.timeout(120), pytest.mark.nats]

# As the code wrote them that had a log for each.
CONFIG_RECORD = bytes.fromhex(
    "88a776657273696f6e01a27473cf18e91efd5bd38000a56163746f72a3616e6ea6726561736f6eaa736c6f77206469736b73a674617267"
    "6574a3616c6ca870726576696f757300a76368616e67657382a96c6f672e6c6576656c92c0a56465627567b773746f72652e6b6565705f"
    "646179734073746f7261676592c081ac6d61726b65745f7469636b731ea676616c75657382a96c6f672e6c6576656ca56465627567b773"
    "746f72652e6b6565705f646179734073746f7261676581ac6d61726b65745f7469636b731e"
)
CONFIG_CURRENT = bytes.fromhex(
    "82a776657273696f6e01a676616c75657382a96c6f672e6c6576656ca56465627567b773746f72652e6b6565705f646179734073746f72"
    "61676581ac6d61726b65745f7469636b731e"
)
RULES_CURRENT = bytes.fromhex(
    "de0015a77374616c655f73cb4014000000000000b07374616c655f735f62795f76656e756581a473686665cb4010000000000000b46675"
    "74757265735f62616e645f70657263656e74cb4024000000000000b36f7074696f6e5f62616e645f70657263656e74cb403e00000000"
    "0000ac6572726f725f77656967687414ae7761726e696e675f77656967687405ad73696c656e63655f6d696e5f73cb404e000000000000"
    "ae73696c656e63655f666163746f72cb403e000000000000a57a5f6c6f77cb4000000000000000a87a5f6d656469756dcb40100000000"
    "00000a67a5f68696768cb4014000000000000aa7a5f637269746963616ccb4018000000000000ac6a756d705f70657263656e74cb4008"
    "000000000000ac62757273745f666163746f72cb4059000000000000ad7370726561645f666163746f72cb4049000000000000ad776172"
    "6d5f75705f7469636b7364b07175616c6974795f77696e646f775f73cb404e000000000000ae64656772616465645f62656c6f7750ab72"
    "6573746f7265645f61745fab636c6f636b5f6f66665f73cb4008000000000000a776657273696f6e02"
)
RULES_RECORD = (
    bytes.fromhex(
        "87a776657273696f6e02a27473cf18e91efd5bd38000a377686faa6f70657261746f723a61a6726561736f6eac7175696574206d61726b"
        "6574a36b6579a56b65792d61a76368616e67657382b07374616c655f735f62795f76656e7565928081a473686665cb4010000000000000"
        "a57a5f6c6f7792cb4008000000000000cb4000000000000000a572756c6573"
    )
    + RULES_CURRENT
)
TS = 1_795_000_000_000_000_000


@pytest.fixture
async def connection(own_nats_url: str) -> AsyncIterator[NatsConnection]:
    found = await NatsConnection.open(own_nats_url)
    yield found
    await found.close()


async def _bucket(connection: NatsConnection, name: str, **entries: bytes) -> NatsKeyValue:
    bucket = await NatsKeyValue.open(connection, name)
    for key, value in entries.items():
        await bucket.put(key.replace("__", "."), value)
    return bucket


async def test_a_configuration_of_before_is_read_and_goes_on(connection: NatsConnection) -> None:
    log = ConfigLog(await _bucket(connection, CONFIG, history__00000001=CONFIG_RECORD, current=CONFIG_CURRENT))
    values = {"log.level": "debug", "store.keep_days@storage": {"market_ticks": 30}}
    found = await log.current()
    assert found.layer == CentralLayer(1, values)
    (record,) = await log.newest(10)
    changes = {key: (None, value) for key, value in values.items()}
    assert record == ConfigRecord(1, TS, "ann", "slow disks", "all", 0, changes, values)
    assert msgspec.msgpack.encode(record) == CONFIG_RECORD  # and is written the same way
    assert await log.finish() is None
    after = ConfigRecord(2, TS, "bob", "", "all", found.revision, {"log.level": ("debug", None)}, {})
    assert await log.commit(after)
    assert (await log.current()).layer == CentralLayer(2, {})


async def test_rules_of_before_are_read_and_go_on(connection: NatsConnection) -> None:
    bucket = await _bucket(connection, streams.RULES, history__00000002=RULES_RECORD, current=RULES_CURRENT)
    log = RulesLog(bucket)
    rules = ValidationRules().changed(z_low=2.0, stale_s_by_venue={"shfe": 4.0})
    assert await log.current() == rules
    (record,) = await log.newest(10)
    assert (record.who, record.reason, record.key, record.ts) == ("operator:a", "quiet market", "key-a", TS)
    assert msgspec.msgpack.encode(record) == RULES_RECORD
    more: Any = {"who": "b", "reason": "", "ts": 2}
    made, is_new = await log.change(ValidationRules(), {"z_low": 1.0}, expected=2, key="key-b", **more)
    assert (made.version, is_new, made.changes) == (3, True, {"z_low": (2.0, 1.0)})
    entry = await bucket.get(CURRENT)
    assert entry is not None
    assert msgspec.msgpack.decode(entry.value) == {**msgspec.msgpack.decode(RULES_CURRENT), "z_low": 1.0, "version": 3}


async def _killed(what: str, url: str) -> None:
    process = await asyncio.create_subprocess_exec(*killed_between_writes(what, url))
    assert await process.wait() == -signal.SIGKILL


@pytest.mark.parametrize(("what", "first"), [("config", 0), ("rules", 1)])
async def test_what_a_killed_writer_has_recorded_is_put_into_force_once(
    connection: NatsConnection, own_nats_url: str, what: str, first: int
) -> None:
    await _killed(what, own_nats_url)
    bucket = NatsKeyValue(connection, CONFIG if what == "config" else streams.RULES)
    logs: list[VersionedLog[Any, Any]] = [(ConfigLog if what == "config" else RulesLog)(bucket) for _ in range(8)]
    assert (await logs[0].place()).value is None
    assert await logs[0].newest(10) == []  # what is not in force is not of the history yet
    found = await asyncio.gather(*(each.finish(first) for each in logs))
    (record,) = [each for each in found if each is not None]
    assert (record.version, record.reason) == (first + 1, "ends here")
    place = await logs[0].place()
    assert place.value is not None
    assert place.value.version == first + 1
    assert await logs[0].newest(10) == [record]
    await _killed(what, own_nats_url)  # over one that is in force
    assert (await logs[0].place()).revision == place.revision
    assert (await logs[0].finish(first)).version == first + 2
    # Of what lies under `current` and is nothing, the newest version is put in its place, and none before it.
    await bucket.put(CURRENT, b"\xc1")
    assert (await logs[0].finish(first)).version == (await logs[0].newest(1))[0].version


async def test_a_record_under_another_number_is_none(connection: NatsConnection) -> None:
    log = ConfigLog(await _bucket(connection, CONFIG, history__00000002=CONFIG_RECORD, current=CONFIG_CURRENT))
    assert await log.record(2) is None
    assert await log.finish() is None
    assert await log.commit(ConfigRecord(2, TS, "bob", "", "all", (await log.current()).revision, {}, {}))


@pytest.mark.long
async def test_a_monitor_puts_it_into_force_without_being_asked(place: ConfigPlace) -> None:
    small = await place.small()
    await _killed("config", place.url)
    await place.until(lambda: small.rates == [6], within_s=20)
    (record,) = await ConfigLog.existing(place.connection).newest(10)
    assert record.actor == BY
