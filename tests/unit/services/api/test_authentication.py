"""Who is let in while nothing can be heard of revocations: nobody who shows a credential."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from marketprism_adapters.identity.shown_once import new_api_key
from marketprism_adapters.memory.access_store import MemoryAccessStore, MemoryAuditLog
from marketprism_application.access.audit import Auditing
from marketprism_application.access.keys import Keys
from marketprism_application.access.logins import Sessions
from marketprism_application.access.principal import LOCAL, Principal
from marketprism_application.contracts.access_records import ApiKey, Role, User
from marketprism_application.errors import ApplicationError, StoreError
from marketprism_services.api.access.authentication import Authentication
from marketprism_services.api.access.revocations import Revocations, Revoked
from marketprism_services.settings.api import ApiSettings


def authentication(store: MemoryAccessStore, auth: str = "on", *, is_near: bool = False) -> Authentication:
    keys = Keys(store, Auditing(MemoryAuditLog()))
    settings = ApiSettings(auth=auth)  # type: ignore[arg-type]
    return Authentication(store, keys, Sessions(store), settings, lambda _: is_near)


def asking(**headers: str) -> web.Request:
    return make_mocked_request("GET", "/api/v1/me", {name.replace("_", "-"): value for name, value in headers.items()})


async def test_what_cannot_be_known_is_not_assumed() -> None:
    store, secret = MemoryAccessStore(), new_api_key()
    await store.write(User(id="ann", roles=("quant",)), 0)
    await store.write(ApiKey(id=secret.id, owner="ann", digest=secret.digest, ts_used=2**62), 0)
    door, near = authentication(store), authentication(store, "local", is_near=True)
    who = await door.authenticate(asking(X_API_Key=secret.text))
    assert who is not None
    assert (who.id, who.user, who.credential) == (f"key:{secret.id}", "ann", f"key:{secret.id}")
    store.place.away = StoreError("away", retryable=True)
    for each in (door, near):
        with pytest.raises(ApplicationError) as error:
            await each.authenticate(asking(X_API_Key=secret.text))
        assert (error.value.code, error.value.retryable) == ("UNAVAILABLE", True)
    assert await door.authenticate(asking()) is None
    assert await near.authenticate(asking()) == LOCAL  # nothing of the store is needed for that
    store.place.away = None
    assert await door.authenticate(asking(X_API_Key=secret.text)) == who


async def test_made_up_credentials_ask_the_store_a_few_times_a_second_at_most() -> None:
    store, asked = MemoryAccessStore(), 0

    class Counting(MemoryAccessStore):
        async def read(self, kind, key):  # type: ignore[no-untyped-def]
            nonlocal asked
            asked += 1
            return await super().read(kind, key)

    door = authentication(Counting(store.place))
    for _ in range(300):
        with pytest.raises(ApplicationError):
            await door.authenticate(asking(X_API_Key=new_api_key().text))
    assert 20 <= asked < 300


async def test_whose_connections_end_is_told_once_it_is_heard() -> None:
    store = MemoryAccessStore()
    await store.write(User(id="ann", roles=("desk",)), 0)
    await store.write(Role(id="desk", scopes=("md:read",)), 0)
    found: list[Revoked] = []
    revocations = Revocations(store)
    stop = revocations.start()
    revocations.on_revoked(found.append)
    stored = await store.read(User, "ann")
    assert stored is not None
    await store.write(User(id="ann", roles=("desk",), display="Ann"), stored.revision)
    assert found == []
    role = await store.read(Role, "desk")
    assert role is not None
    await store.write(Role(id="desk", scopes=()), role.revision)
    assert found == [Revoked(user="ann")]
    await store.remove(User, "ann")
    stop()
    person = Principal("user", "ann", frozenset(), credential="session:s")
    program = Principal("key", "k1", frozenset(), owner="ann", credential="key:k1")
    assert [found[1].covers(each) for each in (person, program, LOCAL)] == [True, True, False]
    assert [Revoked("key:k1").covers(each) for each in (person, program)] == [False, True]
