"""Logins: how often they may fail, and what is good after one: sessions of browsers, families of refresh tokens."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable

import msgspec

from marketprism_application.access import lockout
from marketprism_application.access.addresses import place_of
from marketprism_application.access.refusals import AccessRefused, LockedOut
from marketprism_application.contracts.access_records import FailedLogins, RefreshFamily, Session, User
from marketprism_application.contracts.failures import Code
from marketprism_application.ports.access_store import AccessStore, RecordChanged

_S = 10**9
IDLE_S, ABSOLUTE_S = 30 * 60, 12 * 3_600
REFRESH_S = 30 * 86_400
_NOTED_S = 60  # the use of a session is written so often
_TRIES = 8


class Attempts:
    """Failed logins, which all instances count together."""

    def __init__(self, store: AccessStore, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._clock = clock

    def check(self, account: str, address: str) -> None:
        """Raises LockedOut: it has failed too often."""
        now = self._clock()
        wait_s = max(
            lockout.account_wait_s(self._store.get(FailedLogins, _account_key(account, address)), now),
            lockout.address_wait_s(self._store.get(FailedLogins, _address_key(address)), now),
        )
        if wait_s > 0:
            raise LockedOut(f"login: expected a rest after failed ones, come again in {wait_s:.0f} s", wait_s)

    async def failed(self, account: str, address: str) -> None:
        """Count one that failed."""
        for key in (_account_key(account, address), _address_key(address)):
            for _ in range(_TRIES):
                stored = await self._store.read(FailedLogins, key)
                before = stored.record if stored is not None else FailedLogins(id=key)
                after = lockout.after_failure(before, self._clock())
                try:
                    await self._store.write(after, stored.revision if stored is not None else 0)
                except RecordChanged:
                    continue
                break

    async def succeeded(self, account: str, address: str) -> None:
        """The account begins anew from this address; the address itself does not."""
        key = _account_key(account, address)
        if self._store.get(FailedLogins, key) is not None:
            await self._store.remove(FailedLogins, key)


def _account_key(account: str, address: str) -> str:
    return "account_" + hashlib.sha256(f"{account}\0{place_of(address)}".encode()).hexdigest()[:32]


def _address_key(address: str) -> str:
    return "address_" + hashlib.sha256(place_of(address).encode()).hexdigest()[:32]


class Sessions:
    """Logins of browsers: good for half an hour without a request, and for twelve hours at most."""

    def __init__(self, store: AccessStore, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._clock = clock

    async def begin(self, user: User, key: str, address: str, agent: str) -> Session:
        """A new session with the digest of its cookie. Raises what the store raises."""
        now = self._clock()
        shown = "".join(letter for letter in agent[:120] if letter.isprintable())
        session = Session(
            id=key, user=user.id, version=user.version, address=address, agent=shown, ts_created=now, ts_used=now
        )
        await self._store.write(session, 0)
        return session

    def is_good(self, session: Session, user: User | None) -> bool:
        """Whether it still stands for its user."""
        now = self._clock()
        return (
            user is not None
            and not user.is_disabled
            and session.version == user.version
            and now - session.ts_created < ABSOLUTE_S * _S
            and now - session.ts_used < IDLE_S * _S
        )

    def is_to_note(self, session: Session) -> bool:
        """Whether its use is to be written."""
        return self._clock() - session.ts_used >= _NOTED_S * _S

    async def note_use(self, key: str) -> None:
        """Write that it was used; one that has ended meanwhile stays so."""
        stored = await self._store.read(Session, key)
        if stored is None:
            return
        try:
            await self._store.write(msgspec.structs.replace(stored.record, ts_used=self._clock()), stored.revision)
        except RecordChanged:
            return

    def of_user(self, user: User) -> list[Session]:
        """Those of a user that go on, the newest first."""
        return [each for each in self.all() if each.user == user.id]

    def all(self) -> list[Session]:
        """Those of everybody that go on, the newest first."""
        found = [each for each in self._store.all(Session) if self.is_good(each, self._store.get(User, each.user))]
        return sorted(found, key=lambda each: -each.ts_created)


class RefreshFamilies:
    """Logins of programs. Each refresh token is good once; one that comes again was stolen, and ends its family."""

    def __init__(self, store: AccessStore, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._clock = clock

    async def begin(self, user: User, family: str, digest: bytes, key: str, address: str) -> RefreshFamily:
        """A new family with the digest of its first token. Raises what the store raises."""
        now = self._clock()
        made = RefreshFamily(
            id=family,
            user=user.id,
            digest=digest,
            version=user.version,
            key=key,
            address=address,
            ts_created=now,
            ts_used=now,
            ts_expires=now + REFRESH_S * _S,
        )
        await self._store.write(made, 0)
        return made

    async def rotate(self, family: str, digest: bytes, next_digest: bytes) -> RefreshFamily:
        """The family after its token was changed for the next one.

        Raises:
            AccessRefused: TOKEN_INVALID, there is no such family, or the token is not its newest, and the family has
            ended now; TOKEN_EXPIRED.
        """
        stored = await self._store.read(RefreshFamily, family)
        if stored is None:
            raise AccessRefused(Code.TOKEN_INVALID, "refresh: expected a token of a login that goes on, was another")
        before = stored.record
        if not hmac.compare_digest(before.digest, digest):
            await self.end(family)
            raise AccessRefused(Code.TOKEN_INVALID, "refresh: expected a token that is new, was used: its login ends")
        now = self._clock()
        if before.ts_expires <= now:
            await self.end(family)
            raise AccessRefused(Code.TOKEN_EXPIRED, "refresh: expected a token that is valid, its login has ended")
        after = msgspec.structs.replace(before, digest=next_digest, ts_used=now)
        try:
            await self._store.write(after, stored.revision)
        except RecordChanged as error:
            await self.end(family)
            text = "refresh: expected a token that is new, was used: its login ends"
            raise AccessRefused(Code.TOKEN_INVALID, text) from error
        return after

    def of_user(self, user: User) -> list[RefreshFamily]:
        """Those of a user that go on, the newest first."""
        return [each for each in self.all() if each.user == user.id]

    def all(self) -> list[RefreshFamily]:
        """Those of everybody that go on, the newest first."""
        found = [each for each in self._store.all(RefreshFamily) if self._goes_on(each)]
        return sorted(found, key=lambda each: -each.ts_created)

    def _goes_on(self, family: RefreshFamily) -> bool:
        user = self._store.get(User, family.user)
        if user is None or family.ts_expires <= self._clock():
            return False
        return bool(family.key) or family.version == user.version

    async def end(self, family: str) -> None:
        """End a family, with all its tokens. Raises what the store raises."""
        await self._store.remove(RefreshFamily, family)
