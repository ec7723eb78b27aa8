"""What somebody may do and see: a key never more than its owner."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketprism_application.access.addresses import is_from
from marketprism_application.access.entitlements import Entitlement, Entitlements
from marketprism_application.access.lockout import account_wait_s, address_wait_s, after_failure
from marketprism_application.access.rights import narrowed, of_key, of_user
from marketprism_application.access.scopes import ROLES, Scope
from marketprism_application.contracts.access_records import ApiKey, FailedLogins, Grant, Role, User

NAMES = ("rb2505", "rb25", "BTC-USDT-PERP", "BTC-USDT", "r", "au2506", "[rb]", "*")
PATTERNS = st.sampled_from(("*", "rb*", "rb25*", "rb2505", "*-PERP", "BTC-*", "*USDT*", "r?2505", "[ar]*", "r*5"))
GRANTS = st.lists(
    st.builds(
        Grant,
        st.lists(st.sampled_from(("*", "shfe", "okx", "s*")), min_size=1, max_size=2).map(tuple),
        st.lists(PATTERNS, min_size=1, max_size=3).map(tuple),
        history_days=st.none() | st.integers(1, 9),
    ),
    max_size=3,
).map(tuple)
SCOPES = st.lists(st.sampled_from([str(each) for each in Scope]), max_size=6).map(tuple)
ROLE = Role(id="desk", scopes=("md:read", "md:history", "no:such"), grants=(Grant(("shfe",), ("rb*",)),))


def find(name: str) -> Role | None:
    return ROLE if name == ROLE.id else None


@given(st.none() | SCOPES, st.none() | GRANTS, st.sampled_from([*ROLES, "desk", "gone"]), st.none() | GRANTS)
@settings(max_examples=200, deadline=None)
def test_a_key_has_never_more_than_its_owner(
    scopes: tuple[str, ...] | None, grants: tuple[Grant, ...] | None, role: str, own: tuple[Grant, ...] | None
) -> None:
    owner = User(id="ann", roles=(role,), grants=own)
    key = of_key(ApiKey(id="k", owner="ann", digest=b"", scopes=scopes, grants=grants), owner, find)
    person = of_user(owner, find)
    assert key.scopes <= person.scopes
    assert key.scopes <= set(scopes) if scopes is not None else key.scopes == person.scopes
    of_grants = Entitlements(tuple(Entitlement(g.venues, g.symbols, g.kinds) for g in grants or (Grant(),)))
    for venue in ("shfe", "okx"):
        for symbol in NAMES:
            seen = key.entitlements.of(venue, symbol, "tick")
            if seen is not None:
                assert person.sees(venue, symbol, "tick")
                assert grants is None or of_grants.allows(venue, symbol, "tick")


def test_bounds_of_both_are_kept() -> None:
    both = narrowed(
        (Entitlement(symbols=("rb*", "au*"), history_days=30, depth=5),),
        (Entitlement(("shfe",), ("rb25*",), history_days=90, delay_s=3.0, depth=1),),
    )
    assert both == (Entitlement(("shfe",), ("rb25*",), ("*",), 30, 3.0, 1),)
    assert narrowed((Entitlement(symbols=("*-PERP",)),), (Entitlement(symbols=("BTC-*",)),)) == ()


def test_roles_of_ones_own_give_what_they_say_and_unknown_ones_nothing() -> None:
    desk = of_user(User(id="ann", roles=("desk",)), find)
    assert desk.scopes == {Scope.READ, Scope.HISTORY}
    assert desk.sees("shfe", "rb2505", "bar")
    assert not desk.sees("shfe", "au2506", "bar")
    assert of_user(User(id="ann", roles=("gone",)), find).scopes == frozenset()
    assert not of_user(User(id="ann", roles=("gone",)), find).sees("shfe", "rb2505", "bar")
    assert of_user(User(id="ann", roles=("desk", "viewer")), find).entitlements.is_unbounded
    service = of_key(ApiKey(id="k", owner="s", digest=b""), User(id="s", roles=("quant",), is_service=True), find)
    assert (service.id, service.owner, service.credential, service.limits) == ("service:s", "s", "key:k", "quant")


@pytest.mark.parametrize(
    ("address", "cidrs", "is_in"),
    [
        ("10.1.2.3", ("10.1.0.0/16",), True),
        ("::ffff:10.1.2.3", ("10.1.0.0/16",), True),
        ("10.2.2.3", ("10.1.0.0/16", "192.168.0.0/24"), False),
        ("2001:db8::1", ("2001:db8::/32",), True),
        ("", ("10.1.0.0/16",), False),
        ("anything", (), True),
    ],
)
def test_a_key_is_for_its_networks(address: str, cidrs: tuple[str, ...], is_in: bool) -> None:
    assert is_from(address, cidrs) is is_in


def test_failed_logins_cost_time_that_doubles_and_never_more_than_a_quarter_of_an_hour() -> None:
    failed, now, waits = FailedLogins(id="x"), 10**18, []
    assert account_wait_s(None, now) == 0
    for _ in range(20):
        failed = after_failure(failed, now)
        waits.append(account_wait_s(failed, now))
    assert waits[:9] == [0, 0, 0, 0, 0, 1, 2, 4, 8]
    assert waits[-1] == 900
    assert account_wait_s(failed, now + 900 * 10**9) == 0
    assert address_wait_s(failed, now) == 600
    assert address_wait_s(failed, now + 600 * 10**9) == 0
    assert len(after_failure(failed, now).stamps) == 20
