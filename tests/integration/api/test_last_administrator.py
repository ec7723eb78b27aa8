"""Administrators who take each other out at the same moment, at instances of their own: somebody always remains."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from marketprism_adapters.memory.access_store import MemoryAuditLog
from marketprism_adapters.nats.access_store import NatsAccessStore
from marketprism_application.access.administrators import administrates
from marketprism_application.access.audit import Actor, Auditing
from marketprism_application.access.principal import Principal
from marketprism_application.access.roles import RoleChange, Roles
from marketprism_application.access.scopes import Scope
from marketprism_application.access.users import UserChange, Users
from marketprism_application.contracts.access_records import AuditRecord, Role, User
from marketprism_application.errors import ApplicationError
from marketprism_sdk.nats.connection import NatsConnection

pytestmark = pytest.mark.timeout(120)
ROOT = Actor(Principal("local", "cli", frozenset(Scope)))
BOSS = tuple(map(str, Scope))
_ROUNDS = 40


class Slow(MemoryAuditLog):
    """Whoever records is overtaken now and then, as one is whose NATS is far away."""

    async def add(self, record: AuditRecord) -> None:
        await asyncio.sleep(random.choice((0, 0, 0.001, 0.003)))
        await super().add(record)


class Instance:
    def __init__(self, store: NatsAccessStore) -> None:
        auditing = Auditing(Slow())
        self.store = store
        self.users = Users(store, auditing)
        self.roles = Roles(store, auditing, self.users)

    async def admins(self) -> list[str]:
        """By the store itself."""
        roles = {each.id: (await self.store.read(Role, each.id)) for each in self.store.all(Role)}
        found = []
        for each in self.store.all(User):
            stored = await self.store.read(User, each.id)
            if stored is not None and administrates(
                stored.record, lambda name: None if (role := roles.get(name)) is None else role.record
            ):
                found.append(each.id)
        return found


@pytest.fixture
async def instances(server_url: str) -> AsyncIterator[list[Instance]]:
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(3):
            connection = await NatsConnection.open(server_url, name="instance")
            stack.push_async_callback(connection.close)
            store = NatsAccessStore(connection)
            await store.start()
            stack.push_async_callback(store.stop)
            made.append(Instance(store))
        yield made


async def begin_anew(instances: list[Instance], eventually: Callable[..., Awaitable[object]], unique: str) -> None:
    """Three administrators, of whom one is one by a role of our own, and nobody else."""
    one = instances[0]
    for kind in (User, Role):
        for each in one.store.all(kind):
            await one.store.remove(kind, each.id)
    await one.store.write(Role(id="boss", scopes=BOSS), 0)
    for name, role in (("ann", "admin"), ("bob", "admin"), ("cat", "boss")):
        await one.store.write(User(id=name, roles=(role,), display=unique), 0)
    for each in instances:
        for name in ("ann", "bob", "cat"):
            await each.store.read(User, name)
        await each.store.read(Role, "boss")
    await eventually(lambda: all(len(each.store.all(User)) == 3 for each in instances))


def attacks(instances: list[Instance]) -> list[Callable[[], Awaitable[object]]]:
    """Each taken alone leaves somebody; all together, and at once, must do so too."""
    one, two, three = instances
    viewer, off = UserChange(roles=("viewer",)), UserChange(is_disabled=True)
    return [
        lambda: one.users.remove(ROOT, "ann"),
        lambda: two.users.remove(ROOT, "bob"),
        lambda: three.users.remove(ROOT, "cat"),
        lambda: one.users.change(ROOT, "bob", viewer),
        lambda: two.users.change(ROOT, "ann", off),
        lambda: three.users.change(ROOT, "ann", UserChange(roles=("boss",))),
        lambda: two.roles.change(ROOT, "boss", RoleChange(scopes=("md:read",))),
        lambda: one.roles.remove(ROOT, "boss"),
        lambda: two.users.change(ROOT, "ann", UserChange(is_disabled=False, roles=("admin",))),
    ]


async def test_somebody_remains_whoever_takes_out_whom_at_once(
    instances: list[Instance], eventually: Callable[..., Awaitable[object]]
) -> None:
    for number in range(_ROUNDS):
        await begin_anew(instances, eventually, str(number))
        chosen = attacks(instances)
        random.shuffle(chosen)
        found = await asyncio.gather(*(each() for each in chosen), return_exceptions=True)
        unexpected = [
            each for each in found if isinstance(each, BaseException) and not isinstance(each, ApplicationError)
        ]
        assert unexpected == []
        assert await instances[0].admins(), found
        # Two alone, each the other's only equal.
        await begin_anew(instances, eventually, str(number))
        await instances[0].users.remove(ROOT, "cat")
        one, two, _ = instances
        mutual = await asyncio.gather(
            one.users.remove(ROOT, "ann"), two.users.remove(ROOT, "bob"), return_exceptions=True
        )
        assert await one.admins(), mutual
        failed = [each for each in mutual if isinstance(each, BaseException)]
        assert failed, "both have gone"
        assert all(isinstance(each, ApplicationError) and each.code == "CONFLICT" for each in failed)
        if len(failed) == 2:  # each was in the other's way: whoever tries again gets through
            await one.users.remove(ROOT, "ann")
        assert len(await one.admins()) == 1
