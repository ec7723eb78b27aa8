"""Whether those who hold a lease are there: a leader that was killed leaves its lease held."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from marketprism_sdk.election import LEASES, LeaseRecord, decode_lease
from marketprism_sdk.errors import NoResponders, RemoteError, SdkError, StreamError
from marketprism_sdk.messaging import HEALTH, PING, InstanceRecord, NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import NOT_FOUND, api, direct_request
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.nats.prober import NatsProber
from marketprism_sdk.ports import KvEntry

_PROBE_S = 0.5
_PING_S = 1.0
_HEALTH_S = 2.5  # a dependency that hangs is asked for two
_LEASE_S = 1.0  # of a holder that does not say how long its own is
_SLACK_S = 1.0  # a renewal that is on its way
_NOBODY_S = 5.0  # a handover is shorter
_FORGOTTEN_S = 86_400.0


class Leader(NamedTuple):
    """A lease as it is: `state` is held, released, or lost where its holder is not there any more; `age_s` is how long
    ago it was written, None where that is not known."""

    holder: str
    epoch: int
    state: str
    problem: str = ""
    age_s: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The leader as plain values, for `--json`."""
        return {"holder": self.holder, "epoch": self.epoch, "state": self.state}


async def leaders_of(connection: NatsConnection, instances: Sequence[InstanceRecord]) -> dict[str, Leader]:
    """Every lease by `<service>.<group>`. Raises NotConnected, DeadlineExceeded."""
    entries = await NatsKeyValue(connection, LEASES).entries_if_there()
    found = await asyncio.gather(*(_leader(connection, entry, instances) for entry in entries))
    return {entry.key: leader for entry, leader in zip(entries, found, strict=True)}


async def _leader(connection: NatsConnection, entry: KvEntry, instances: Sequence[InstanceRecord]) -> Leader:
    lease = decode_lease(entry)
    assert lease is not None  # noqa: S101 (there is an entry)
    age_s = await _age_s(connection, entry.key)
    if lease.state != "held":
        problem = _leaderless(entry.key, age_s, instances)
        return Leader(lease.holder, lease.epoch, lease.state, problem, age_s)
    why = await _missing(connection, entry.key, lease, age_s, instances)
    if not why:
        return Leader(lease.holder, lease.epoch, lease.state, "", age_s)
    ago = "" if age_s is None else f", its last sign {age_s:.0f} s ago"
    problem = f"leader lost: {entry.key}: {lease.holder} {why}{ago}"
    return Leader(lease.holder, lease.epoch, "lost", "" if (age_s or 0.0) > _FORGOTTEN_S else problem, age_s)


def _leaderless(key: str, age_s: float | None, instances: Sequence[InstanceRecord]) -> str:
    service, _, group = key.partition(".")
    waiting = [each for each in instances if each.service == service and each.group == group]
    if not waiting or age_s is None or age_s < _NOBODY_S:
        return ""
    return f"no leader: {key}: {len(waiting)} stand by, nobody leads for {age_s:.0f} s"


async def _missing(
    connection: NatsConnection, key: str, lease: LeaseRecord, age_s: float | None, instances: Sequence[InstanceRecord]
) -> str:
    """Why a holder is taken for lost; empty where it is there."""
    try:
        if await NatsProber(connection, key, "status").unanswered(lease.epoch, lease.holder, _PROBE_S):
            return "is gone"
    except SdkError:
        pass  # no answer in time is no sign of death: the rest decides
    record = next((each for each in instances if each.instance == lease.holder), None)
    if record is None:
        return "is not among the instances that run"
    told = record.metadata.get("lease_s")
    lease_s = float(told) if isinstance(told, int | float) else _LEASE_S
    if age_s is not None and age_s > lease_s + _SLACK_S:
        return f"does not renew its lease of {lease_s:g} s"
    return ""


async def _age_s(connection: NatsConnection, key: str) -> float | None:
    """Since the lease was last written, both times by the server's clock: this machine's may be another."""
    body = json.dumps({"last_by_subj": f"$KV.{LEASES}.{key}"}).encode()
    try:
        message = await direct_request(connection, f"KV_{LEASES}", body)
        now = (await api(connection, f"STREAM.INFO.KV_{LEASES}")).get("ts", "")
    except StreamError as error:
        if error.code in NOT_FOUND:
            return None
        raise
    try:
        written = (message.headers or {}).get("Nats-Time-Stamp", "")
        return max(0.0, (_instant(now) - _instant(written)).total_seconds())
    except ValueError:
        return None


def _instant(text: str) -> datetime:
    """An instant of the server's; what is finer than a microsecond is cut."""
    whole, _, rest = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{rest[:6]:0<6}+00:00")


async def health_of(
    connection: NatsConnection, record: InstanceRecord, *, within_s: float = _HEALTH_S
) -> Mapping[str, Any] | None:
    """What an instance answers over NATS of its health; empty where it lives and does not say, or is about to start or
    to end; None where it does not answer `within_s`.

    Raises:
        NoResponders: the server knows that nobody is there; its entry lives on for some seconds.
    """
    calls = RpcClient(NatsBus(connection))
    try:
        found = await calls.call(record.service, HEALTH, instance=record.instance, timeout_s=within_s)
    except NoResponders:
        if record.status in ("starting", "draining"):
            return {}
        raise
    except RemoteError:
        return {}  # of an earlier version
    except SdkError:
        return None
    return found if isinstance(found, dict) else {}


async def is_away(connection: NatsConnection, record: InstanceRecord) -> bool:
    """Whether the server knows that nobody answers for an instance, whose entry lives on for some seconds."""
    calls = RpcClient(NatsBus(connection))
    try:
        await calls.call(record.service, PING, instance=record.instance, timeout_s=_PING_S)
    except NoResponders:
        return record.status not in ("starting", "draining")
    except SdkError:
        return False
    return False
