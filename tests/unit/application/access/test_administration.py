"""Users, keys and roles: who may give what, what is recorded, and who is the last."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import pytest

from marketprism_adapters.memory.access_store import MemoryAccessStore, MemoryAuditLog
from marketprism_application.access.audit import Actor, Auditing, masked
from marketprism_application.access.keys import KeyChange, Keys
from marketprism_application.access.logins import Attempts, RefreshFamilies
from marketprism_application.access.principal import Principal
from marketprism_application.access.refusals import LockedOut
from marketprism_application.access.rights import of_user
from marketprism_application.access.roles import RoleChange, Roles
from marketprism_application.access.scopes import Scope
from marketprism_application.access.users import UserChange, Users
from marketprism_application.contracts.access_records import ApiKey, AuditRecord, Grant, RefreshFamily, Role, User
from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError, QueryError, StoreError
from marketprism_application.ports.access_store import RecordChanged

ROOT = Actor(Principal("local", "cli", frozenset(Scope)))


class Desk:
    def __init__(self) -> None:
        self.store, self.log, self.now = MemoryAccessStore(), MemoryAuditLog(), 10**18
        auditing = Auditing(self.log, lambda: self.now)
        self.users = Users(self.store, auditing, lambda: self.now)
        self.keys = Keys(self.store, auditing, lambda: self.now)
        self.roles = Roles(self.store, auditing, self.users, lambda: self.now)

    async def user(self, name: str, *roles: str) -> Actor:
        user = await self.users.create(ROOT, User(id=name, roles=roles, password="argon"))
        return Actor(of_user(user, self.users.find_role, "session:s"), "10.0.0.1", "r1")


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def refused(code: Code, work: Awaitable[object]) -> None:
    with pytest.raises(ApplicationError) as error:
        await work
    assert error.value.code == code, str(error.value)


def key(owner: str, name: str = "k001", **more: object) -> ApiKey:
    return ApiKey(id=name, owner=owner, digest=b"\x07" * 32, **more)  # type: ignore[arg-type]


async def test_nobody_gives_more_than_they_have(desk: Desk) -> None:
    await desk.user("root", "admin")
    await desk.roles.create(ROOT, Role(id="clerk", scopes=("admin:access", "md:read", "keys:self")))
    clerk, ann = await desk.user("clerk", "clerk"), await desk.user("ann", "viewer")
    await refused(Code.FORBIDDEN, desk.users.create(clerk, User(id="x", roles=("admin",))))
    await refused(Code.FORBIDDEN, desk.users.change(clerk, "clerk", UserChange(roles=("admin",))))
    await refused(Code.FORBIDDEN, desk.users.change(clerk, "root", UserChange(password="mine")))
    await refused(Code.FORBIDDEN, desk.users.remove(clerk, "root"))
    await refused(Code.FORBIDDEN, desk.roles.create(clerk, Role(id="x", scopes=("sys:operate",))))
    await refused(Code.FORBIDDEN, desk.roles.change(clerk, "clerk", RoleChange(scopes=("admin:access", "audit:read"))))
    await refused(Code.FORBIDDEN, desk.keys.create(clerk, key("root")))
    await refused(Code.FORBIDDEN, desk.keys.create(ann, key("ann", scopes=("md:export",))))
    await refused(Code.FORBIDDEN, desk.keys.create(ann, key("ann", limits="bulk")))
    await refused(Code.FORBIDDEN, desk.keys.create(ROOT, key("ann", scopes=("admin:access",))))
    await desk.keys.create(ann, key("ann", scopes=("md:history",), grants=(Grant(symbols=("rb*",)),)))
    await refused(Code.FORBIDDEN, desk.keys.change(ROOT, "k001", KeyChange(scopes=("md:export",))))
    await refused(Code.NOT_FOUND, desk.keys.revoke(clerk, "k001", "clerk"))
    await desk.users.change(ROOT, "ann", UserChange(grants=(Grant(symbols=("rb*",)),)))
    bounded = Actor(of_user(desk.store.get(User, "ann"), desk.users.find_role))  # type: ignore[arg-type]
    await refused(Code.FORBIDDEN, desk.keys.create(bounded, key("ann", "k002", grants=(Grant(symbols=("au*",)),))))
    await desk.keys.create(bounded, key("ann", "k002", grants=(Grant(symbols=("rb25*",)),)))
    assert all(record.outcome == "done" for record in desk.log.records)


async def test_the_last_administrator_stays(desk: Desk) -> None:
    assert not desk.users.has_admin()
    await desk.user("root", "admin")
    await desk.roles.create(ROOT, Role(id="boss", scopes=tuple(map(str, Scope))))
    await refused(Code.CONFLICT, desk.users.remove(ROOT, "root"))
    await refused(Code.CONFLICT, desk.users.change(ROOT, "root", UserChange(is_disabled=True)))
    await refused(Code.CONFLICT, desk.users.change(ROOT, "root", UserChange(roles=("viewer",))))
    await desk.user("other", "boss")
    await desk.users.remove(ROOT, "root")
    await refused(Code.CONFLICT, desk.roles.change(ROOT, "boss", RoleChange(scopes=("md:read",))))
    await refused(Code.CONFLICT, desk.roles.remove(ROOT, "boss"))
    await refused(Code.CONFLICT, desk.roles.remove(ROOT, "admin"))
    assert desk.users.has_admin()


async def test_who_goes_takes_keys_and_logins_along(desk: Desk) -> None:
    ann = await desk.user("ann", "viewer")
    await desk.keys.create(ann, key("ann"))
    families = RefreshFamilies(desk.store)
    await families.begin(desk.store.all(User)[0], "f1", b"d", "", "")
    await desk.users.remove(ROOT, "ann")
    assert desk.store.all(ApiKey) == desk.store.all(RefreshFamily) == []
    await refused(Code.NOT_FOUND, desk.users.remove(ROOT, "ann"))


async def test_a_key_that_is_used_meanwhile_is_changed_and_revoked_all_the_same(desk: Desk) -> None:
    renames: list[bool] = []

    class UsedMeanwhile(MemoryAuditLog):
        async def add(self, record: AuditRecord) -> None:
            await super().add(record)
            desk.now += 3_600 * 10**9
            await desk.keys.note_use("k001")
            if renames:
                stored = await desk.store.read(ApiKey, "k001")
                assert stored is not None
                renamed = msgspec.structs.replace(stored.record, name=f"{stored.record.name}x")
                await desk.store.write(renamed, stored.revision)

    ann = await desk.user("ann", "viewer")
    await desk.keys.create(ann, key("ann"))
    keys = Keys(desk.store, Auditing(UsedMeanwhile(), lambda: desk.now), lambda: desk.now)
    changed = await keys.change(ROOT, "k001", KeyChange(scopes=("md:read",)))
    assert (changed.scopes, changed.ts_used > 0) == (("md:read",), True)
    renames.append(True)
    await refused(Code.CONFLICT, keys.change(ROOT, "k001", KeyChange(scopes=("md:history",))))
    revoked = await keys.revoke(ROOT, "k001")
    assert (revoked.ts_revoked > 0, revoked.name) == (True, "xxx")  # renamed with each of three records
    assert desk.store.get(ApiKey, "k001") == revoked


async def test_who_is_made_anew_has_nothing_of_who_went(desk: Desk) -> None:
    ann = await desk.user("ann", "viewer")
    await desk.keys.create(ann, key("ann"))
    await RefreshFamilies(desk.store).begin(desk.store.all(User)[0], "f1", b"d", "", "")
    await desk.store.remove(User, "ann")  # and then the store was away
    assert len(desk.store.all(ApiKey)) == len(desk.store.all(RefreshFamily)) == 1
    await desk.user("ann", "quant")
    assert desk.store.all(ApiKey) == desk.store.all(RefreshFamily) == []
    await desk.keys.create(ROOT, key("ann"))
    await refused(Code.CONFLICT, desk.users.create(ROOT, User(id="ann", roles=("viewer",))))
    assert len(desk.store.all(ApiKey)) == 1


async def test_a_service_account_gets_no_password_later_either(desk: Desk) -> None:
    await desk.users.create(ROOT, User(id="robot", roles=("viewer",), is_service=True))
    with pytest.raises(QueryError, match="password: expected none for a service account"):
        await desk.users.change(ROOT, "robot", UserChange(password="argon"))


async def test_a_change_of_rights_makes_what_was_issued_no_longer_good(desk: Desk) -> None:
    await desk.user("ann", "viewer")
    assert (await desk.users.change(ROOT, "ann", UserChange(display="Ann"))).version == 1
    assert (await desk.users.change(ROOT, "ann", UserChange(roles=("quant",)))).version == 2
    assert (await desk.users.set_password(ROOT, "ann", "other")).version == 3


@pytest.mark.parametrize(
    "wrong",
    [
        lambda desk: desk.users.create(ROOT, User(id="A b", roles=("viewer",))),
        lambda desk: desk.users.create(ROOT, User(id="key.x", roles=("viewer",))),
        lambda desk: desk.users.create(ROOT, User(id="x", roles=())),
        lambda desk: desk.users.create(ROOT, User(id="x", roles=("no",))),
        lambda desk: desk.users.create(ROOT, User(id="x", roles=("viewer",), display="\x1b[31m")),
        lambda desk: desk.users.create(ROOT, User(id="x", roles=("viewer",), limits="endless")),
        lambda desk: desk.users.create(ROOT, User(id="x", roles=("viewer",), grants=(Grant(symbols=("[a",)),))),
        lambda desk: desk.users.create(ROOT, User(id="x", roles=("viewer",), grants=(Grant(depth=-1),))),
        lambda desk: desk.roles.create(ROOT, Role(id="x", scopes=("md:everything",))),
        lambda desk: desk.keys.create(ROOT, key("ann", cidrs=("10.0.0.0/99",))),
    ],
)
async def test_what_no_record_may_hold_is_refused_by_name(
    desk: Desk, wrong: Callable[[Desk], Awaitable[object]]
) -> None:
    await desk.user("ann", "viewer")
    with pytest.raises(QueryError, match=r"^\w+(\.\w+)?: expected "):
        await wrong(desk)


async def test_what_is_not_recorded_is_not_done_and_what_fails_is_recorded_too(desk: Desk) -> None:
    desk.log.away = StoreError("the log is away", retryable=True)
    with pytest.raises(StoreError):
        await desk.user("ann", "viewer")
    assert desk.store.all(User) == []
    desk.log.away = None
    await desk.user("ann", "viewer")
    with pytest.raises(RecordChanged):
        await desk.user("ann", "viewer")
    assert [each.outcome for each in desk.log.records] == ["done", "done", "failed: CONFLICT"]
    ann = Actor(of_user(desk.store.all(User)[0], desk.users.find_role, "session:s"), "10.0.0.1", "r1")
    await desk.keys.create(ann, key("ann"))
    record = desk.log.records[-1]
    assert (record.who, record.address, record.action, record.request_id) == (
        "user:ann",
        "10.0.0.1",
        "access.key_create",
        "r1",
    )
    assert record.after["digest"] == "***"
    assert "argon" not in str(desk.log.records)


def test_secrets_are_masked_at_any_depth() -> None:
    found = masked(
        {"key": "mp_x", "n": {"Authorization": "b", "ok": 1}, "rows": [{"password": "p"}, b"raw"], "token": ""}
    )
    assert found == {
        "key": "***",
        "n": {"Authorization": "***", "ok": 1},
        "rows": [{"password": "***"}, "***"],
        "token": "",
    }


async def test_a_refresh_token_is_good_once_and_a_used_one_ends_its_family(desk: Desk) -> None:
    await desk.user("ann", "viewer")
    families = RefreshFamilies(desk.store, lambda: desk.now)
    await families.begin(desk.store.all(User)[0], "f1", b"one", "", "")
    assert (await families.rotate("f1", b"one", b"two")).digest == b"two"
    await families.rotate("f1", b"two", b"three")
    await refused(Code.TOKEN_INVALID, families.rotate("f1", b"one", b"mine"))
    await refused(Code.TOKEN_INVALID, families.rotate("f1", b"three", b"four"))
    await families.begin(desk.store.all(User)[0], "f2", b"one", "", "")
    desk.now += 31 * 86_400 * 10**9
    await refused(Code.TOKEN_EXPIRED, families.rotate("f2", b"one", b"two"))


async def test_failed_logins_of_one_address_lock_out_nobody_elsewhere(desk: Desk) -> None:
    attempts = Attempts(desk.store, lambda: desk.now)
    for _ in range(6):
        attempts.check("ann", "10.0.0.1")
        await attempts.failed("ann", "10.0.0.1")
    with pytest.raises(LockedOut) as error:
        attempts.check("ann", "10.0.0.1")
    assert 0 < error.value.retry_s <= 1
    attempts.check("ann", "10.0.0.2")
    attempts.check("bob", "10.0.0.1")
    desk.now += 10**9
    attempts.check("ann", "10.0.0.1")
    await attempts.succeeded("ann", "10.0.0.1")
    await attempts.failed("ann", "10.0.0.1")
    attempts.check("ann", "10.0.0.1")
    for n in range(20):
        await attempts.failed(f"u{n}", "10.0.0.9")
    with pytest.raises(LockedOut):
        attempts.check("nobody", "10.0.0.9")
    for n in range(20):
        await attempts.failed(f"u{n}", f"2001:db8::{n}")
    with pytest.raises(LockedOut):
        attempts.check("nobody", "2001:db8::ffff")
    for elsewhere in ("2001:db8:0:1::1", "fe80::1%eth0", "::1", "", "a name"):
        attempts.check("nobody", elsewhere)
