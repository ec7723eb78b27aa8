"""Every request of the gateway, by everybody who may ask or not."""

from __future__ import annotations

import re

import pytest

from marketprism_application.access.scopes import ROLES
from tests.integration.api.access_side import gateway

pytestmark = pytest.mark.timeout(120)


async def test_each_request_is_answered_to_whose_role_has_its_scope_and_to_nobody_else(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        keys = {role: await api.key(await api.user(role), limits="bulk") for role in ROLES}
        keys["nothing"] = await api.key(await api.user("admin"), scopes=())
        wrong, asked = [], 0
        for endpoint in api.service.endpoints():
            if endpoint.scope is None:
                continue
            path = re.sub(r"\{\w+(?::(\w+)[^}]*)?\}", lambda found: found[1] or "x", endpoint.path)
            for role, key in {**keys, "nobody": ""}.items():
                answer = await api.ask(endpoint.method, path, key)
                if endpoint.scope in ROLES.get(role, ()):
                    good = answer.status not in (401, 403)
                    if endpoint.path.startswith(("/api/v1/me", "/api/v1/auth")):
                        good = answer.code != "UNAUTHENTICATED" and "scope:" not in str(answer.body)
                else:
                    good = answer.code == ("UNAUTHENTICATED" if role == "nobody" else "FORBIDDEN")
                asked += 1
                if not good:
                    wrong.append((endpoint.method, endpoint.path, role, answer.status, answer.code))
    assert asked > 200
    assert wrong == []
