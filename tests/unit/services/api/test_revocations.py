"""Whose open connections end: of what was revoked, narrowed, or has come to its end."""

from __future__ import annotations

import msgspec

from marketprism_adapters.memory.access_store import MemoryAccessStore
from marketprism_application.access.logins import ABSOLUTE_S
from marketprism_application.contracts.access_records import (
    AccessRecord,
    ApiKey,
    RefreshFamily,
    Role,
    Session,
    Signer,
    User,
)
from marketprism_services.api.access.revocations import Revocations, Revoked

_S = 10**9
NOW = 10**18
KEY = ApiKey(id="k001", owner="ann", digest=b"d", scopes=("md:read", "md:stream"))
BY_KEY = RefreshFamily(id="f1", user="ann", digest=b"d", version=1, key="k001", ts_expires=NOW + 30 * _S)
BY_PASSWORD = RefreshFamily(id="f2", user="ann", digest=b"d", version=1, ts_expires=NOW + 60 * _S)


class Side:
    """One instance's side, and what was revoked since it was last looked at."""

    def __init__(self) -> None:
        self.store, self.now = MemoryAccessStore(), NOW
        self.revocations = Revocations(self.store, lambda: self.now)
        self._found: list[Revoked] = []
        self.revocations.start()
        self.revocations.on_revoked(self._found.append)

    async def put(self, record: AccessRecord) -> list[Revoked]:
        """Write it whatever is there."""
        stored = await self.store.read(type(record), record.id)
        await self.store.write(record, stored.revision if stored is not None else 0)
        return self.taken()

    def at(self, second: int) -> list[Revoked]:
        """So many seconds after the beginning."""
        self.now = NOW + second * _S
        self.revocations.end_expired()
        return self.taken()

    def taken(self) -> list[Revoked]:
        found = list(self._found)
        self._found.clear()
        return found


async def test_a_key_takes_the_tokens_along_that_it_was_exchanged_for() -> None:
    side, of_key = Side(), [Revoked("key:k001"), Revoked("token:f1")]
    for record in (KEY, BY_KEY, BY_PASSWORD):
        assert await side.put(record) == []
    used = msgspec.structs.replace(KEY, ts_used=NOW, name="research")
    assert await side.put(used) == []
    narrower = msgspec.structs.replace(used, scopes=("md:read",))
    assert await side.put(narrower) == of_key
    assert await side.put(msgspec.structs.replace(narrower, cidrs=("10.0.0.0/8",))) == of_key
    assert await side.put(msgspec.structs.replace(narrower, ts_revoked=NOW)) == of_key
    assert await side.put(msgspec.structs.replace(narrower, ts_expires=NOW)) == of_key  # heard of when it was over
    await side.store.remove(ApiKey, KEY.id)
    assert side.taken() == of_key


async def test_a_signing_key_that_is_taken_out_ends_what_was_opened_with_tokens() -> None:
    side = Side()
    for record in (BY_KEY, BY_PASSWORD, *(Signer(id=name, public=b"", ts_expires=NOW + 9 * _S) for name in "ab")):
        assert await side.put(record) == []
    await side.store.remove(Signer, "a")
    assert side.taken() == [Revoked("token:f1"), Revoked("token:f2")]
    side.now = NOW + 9 * _S
    await side.store.remove(Signer, "b")
    assert side.taken() == []  # it was over: nothing that it signed is good any more


async def test_what_ends_by_itself_is_revoked_when_its_time_comes_and_once() -> None:
    side = Side()
    session = Session(id="s1", user="ann", version=1, ts_created=NOW + (90 - ABSOLUTE_S) * _S)
    past = msgspec.structs.replace(KEY, id="k000", ts_expires=NOW - _S)
    for record in (msgspec.structs.replace(KEY, ts_expires=NOW + 10 * _S), past, BY_KEY, BY_PASSWORD, session):
        await side.put(record)
    side.taken()
    assert side.at(9) == side.at(9) == []
    assert side.at(10) == [Revoked("key:k001"), Revoked("token:f1")]
    assert side.at(9) == side.at(10) == []  # a clock that was set back ends nothing twice
    assert side.at(61) == [Revoked("token:f1"), Revoked("token:f2")]
    assert side.at(89) == []
    assert side.at(90) == [Revoked("session:s1")]


async def test_a_credential_of_which_nothing_is_stored_ends_at_its_time_too() -> None:
    side = Side()
    for name, ends in (("oidc:a", 5), ("oidc:b", 7), ("oidc:a", 6)):
        side.revocations.end_at(name, NOW + ends * _S)
    assert side.at(5) == []
    assert side.at(6) == [Revoked("oidc:a")]
    assert side.at(8) == [Revoked("oidc:b")]
    assert side.at(9) == []
    for number in range(10_001):
        side.revocations.end_at(f"oidc:{number}", NOW + 99 * _S)
    assert side.taken() == [Revoked("oidc:0")]


async def test_a_role_that_is_written_as_it_was_ends_nothing() -> None:
    side = Side()
    await side.put(User(id="ann", roles=("desk",)))
    assert await side.put(Role(id="desk", scopes=("md:read",))) == [Revoked(user="ann")]
    assert await side.put(Role(id="desk", scopes=("md:read",), description="x")) == []
    assert await side.put(Role(id="desk", scopes=())) == [Revoked(user="ann")]
