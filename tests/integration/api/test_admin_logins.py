"""Administrators see who is in and what each has asked for, and end logins; nobody ends that of somebody who may more."""

from __future__ import annotations

import pytest

from marketprism_application.contracts.access_records import Role
from tests.integration.api.access_side import PASSWORD, cookie_in, gateway

pytestmark = pytest.mark.timeout(60)
SESSIONS, LIMITS = "/api/v1/admin/sessions", "/api/v1/admin/limits"


async def test_logins_of_everybody_are_listed_and_ended(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        admin, ann = await api.user("admin"), await api.user("quant")
        key = await api.key(admin, limits="bulk")
        login = await api.login(ann)
        page = {"Cookie": cookie_in(login)}
        program = {"grant": "password", "user": ann.id, "password": PASSWORD}
        bearer = (await api.ask("POST", "/api/v1/auth/token", json=program)).data["access"]
        listed = [each for each in (await api.ask("GET", SESSIONS, key)).data if each["user"] == ann.id]
        assert sorted(each["kind"] for each in listed) == ["browser", "program"]
        assert not any(each["current"] for each in listed)
        for each in listed:
            assert (await api.ask("DELETE", f"{SESSIONS}/{each['id']}", key)).status == 200
            assert (await api.ask("DELETE", f"{SESSIONS}/{each['id']}", key)).code == "NOT_FOUND"
        assert (await api.ask("GET", "/api/v1/me", headers=page)).code == "UNAUTHENTICATED"
        assert (
            await api.ask("GET", "/api/v1/me", headers={"Authorization": f"Bearer {bearer}"})
        ).code == "TOKEN_INVALID"
        ended = [
            (record.who, record.target)
            for _, record in await api.service.access.audit_log.newest(20)
            if record.action == "access.session_end"
        ]
        assert {target for _, target in ended} >= {each["id"] for each in listed}


async def test_nobody_ends_the_login_of_somebody_who_may_more(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        await api.store.write(Role(id="clerk", scopes=("admin:access", "keys:self")), 0)
        clerk, admin = await api.user("clerk"), await api.user("admin")
        login = await api.login(admin)
        key = await api.key(clerk)
        (session,) = [each for each in (await api.ask("GET", SESSIONS, key)).data if each["user"] == admin.id]
        assert (await api.ask("DELETE", f"{SESSIONS}/{session['id']}", key)).code == "FORBIDDEN"
        assert (await api.ask("GET", "/api/v1/me", headers={"Cookie": cookie_in(login)})).status == 200


async def test_limits_name_their_classes_and_what_is_used_of_them(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        admin, ann = await api.user("admin"), await api.user("quant")
        key = await api.key(admin)
        counted = await api.key(ann, rows_per_day=1_000)
        plain = await api.key(ann)
        found = (await api.ask("GET", LIMITS, key)).data
        assert {each["name"] for each in found["classes"]} == {"viewer", "quant", "operator", "bulk"}
        of_ann = {each["account"]: each for each in found["use"] if each["user"] == ann.id}
        assert set(of_ann) == {f"user-{ann.id}", f"key-{counted.split('_')[1]}"}
        assert plain.split("_")[1] not in str(of_ann)
        assert of_ann[f"user-{ann.id}"]["limits"] == "quant"
        own = of_ann[f"key-{counted.split('_')[1]}"]
        assert (own["per_day"], own["used"]) == (1_000, 0)
        who = await api.service.access.authenticate_text(counted, address="127.0.0.1")
        api.service.access.quotas.take(who, 7)
        found = (await api.ask("GET", LIMITS, key)).data
        assert {each["account"]: each["used"] for each in found["use"]}[own["account"]] == 7
