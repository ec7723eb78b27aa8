"""Keys, tokens and sessions at the gateway: who is let in, and who is not any more."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
import pytest

from marketprism_adapters.identity.tokens import TokenSigner
from marketprism_application.contracts.access_records import ApiKey, User
from marketprism_services.api.access.revocations import Revoked
from tests.integration.api.access_side import PASSWORD, cookie_in, gateway

pytestmark = pytest.mark.timeout(120)
ME, KEYS = "/api/v1/me", "/api/v1/me/keys"


async def test_a_revoked_key_is_refused_by_every_instance(nats_url: str, eventually: Callable[..., Any]) -> None:
    async with gateway(nats_url) as one, gateway(nats_url) as other:
        root = await one.key(await one.user("admin"))
        ann = await one.user("quant")
        made = await one.ask("POST", "/api/v1/admin/keys", root, {"owner": ann.id, "scopes": ["keys:self"], "days": 1})
        assert (made.status, made.data["shown"], made.headers["Cache-Control"]) == (201, "once", "no-store")
        key, key_id = made.data["key"], made.data["id"]
        assert key not in str((await one.ask("GET", f"/api/v1/admin/keys/{key_id}", root)).body)
        for each in (one, other):  # whoever has not heard of it yet asks the store
            answer = await each.ask("GET", ME, key)
            assert (answer.status, answer.data["id"], answer.data["scopes"]) == (200, f"key:{key_id}", ["keys:self"])
        answer = await one.ask("GET", ME, headers={"Authorization": f"Bearer {key}"})
        assert answer.data["owner"] == ann.id
        assert (await one.ask("GET", "/api/v1/admin/users", key)).code == "FORBIDDEN"
        closed: list[Revoked] = []
        other.service.access.revocations.on_revoked(closed.append)
        assert (await one.ask("DELETE", f"/api/v1/admin/keys/{key_id}", root)).status == 200
        assert (await one.ask("GET", ME, key)).code == "KEY_REVOKED"
        await eventually(lambda: Revoked(f"key:{key_id}") in closed, 5.0)
        assert (await other.ask("GET", ME, key)).code == "KEY_REVOKED"
        await eventually(lambda: (found := other.store.get(ApiKey, key_id)) is not None and found.ts_revoked > 0)


async def test_anybody_may_ask_by_which_ways_somebody_comes_in(nats_url: str) -> None:
    ways = "/api/v1/auth"
    for mode in ("off", "local", "on"):
        async with gateway(nats_url, auth=mode) as api:
            stale = {"Cookie": "mp=mps_gone_x", "Authorization": "Bearer nothing"}
            for headers in ({}, stale):  # whoever has to log in again has something old to show
                answer = await api.ask("GET", ways, headers=headers)
                assert answer.status == 200, answer
                assert answer.data == {"mode": mode, "password": mode != "off", "oidc": None}
            assert (await api.ask("GET", f"{ways}?user=ann")).code == "INVALID_PARAMETER"
            me = (await api.ask("GET", ME)).body
            assert me["success"] is (mode != "on")
            assert mode == "on" or (me["data"]["roles"], me["data"]["must_change"]) == ([], False)


async def test_credentials_that_are_no_good_are_refused_and_said_to_be(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        ann = await api.user("quant")
        key = await api.key(ann)
        old = await api.key(ann, ts_expires=1)
        away = await api.key(ann, cidrs=("10.9.0.0/16",))
        gone = await api.key("nobody")
        for wrong, code in (
            (key[:-1], "UNAUTHENTICATED"),
            (old, "KEY_REVOKED"),
            (gone, "KEY_REVOKED"),
            (away, "ADDRESS"),
        ):
            assert (await api.ask("GET", ME, wrong)).code == code
        assert (await api.ask("GET", ME)).code == "UNAUTHENTICATED"
        assert (await api.ask("GET", ME, headers={"Authorization": "Basic YTpi"})).code == "UNAUTHENTICATED"
        stranger = TokenSigner("x", 1).sign("user:root", "f", 1, "j", 10**18)
        for token in ("a.b.c", stranger, "x" * 3_000):
            assert (await api.ask("GET", ME, headers={"Authorization": f"Bearer {token}"})).code == "TOKEN_INVALID"
        for query in ("token=x", "key=x", "API_KEY=x", "access_token=x"):
            answer = await api.ask("GET", f"{ME}?{query}", key)
            assert (answer.status, answer.code) == (400, "INVALID_PARAMETER")
        both = {"Authorization": f"Bearer {key}", "Cookie": "mp=" + "x" * 43}
        assert (await api.ask("GET", ME, headers=both)).status == 400
        assert (await api.ask("GET", ME, key, headers={"Authorization": f"Bearer {key}"})).status == 400
        disabled = msgspec.structs.replace(ann, is_disabled=True, version=2)
        stored = await api.store.read(User, ann.id)
        assert stored is not None
        await api.store.write(disabled, stored.revision)
        assert (await api.ask("GET", ME, key)).code == "KEY_REVOKED"
        answer = await api.ask("GET", ME, await api.key(await api.user("viewer")))
        # Its share of 60: an instance of a test before this one may still be in the registry.
        quota = re.fullmatch(r'"req";q=(60|37)', answer.headers["RateLimit-Policy"])
        assert quota is not None
        assert answer.headers["RateLimit"] == f'"req";r={int(quota[1]) - 1};t=1'


async def test_a_browser_logs_in_and_no_other_page_can_use_it(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        ann = await api.user("quant")
        answer = await api.login(ann)
        cookie, csrf = cookie_in(answer), answer.data["csrf"]
        header = answer.headers["Set-Cookie"]
        assert all(part in header for part in ("mp=", "HttpOnly", "SameSite=Strict", "Path=/")), header
        page = {"Cookie": cookie, "Origin": api.base, "Sec-Fetch-Site": "same-origin"}
        mine = await api.ask("GET", ME, headers={"Cookie": cookie})
        assert (mine.data["id"], mine.data["csrf"]) == (f"user:{ann.id}", csrf)
        body = {"name": "research", "scopes": ["md:history"]}
        for headers, code in (
            (page, "CSRF"),
            ({**page, "X-MarketPrism-Csrf": "0" * 64}, "CSRF"),
            ({**page, "X-MarketPrism-Csrf": csrf, "Origin": "https://evil.example"}, "ORIGIN"),
            ({**page, "X-MarketPrism-Csrf": csrf, "Origin": "null"}, "ORIGIN"),
            ({**page, "X-MarketPrism-Csrf": csrf, "Sec-Fetch-Site": "cross-site"}, "ORIGIN"),
        ):
            assert (await api.ask("POST", KEYS, json=body, headers=headers)).code == code
        good = {**page, "X-MarketPrism-Csrf": csrf}
        made = await api.ask("POST", KEYS, json=body, headers=good)
        assert made.status == 201
        assert (await api.ask("POST", KEYS, json={"scopes": ["sys:operate"]}, headers=good)).code == "FORBIDDEN"
        assert (await api.ask("POST", KEYS, json={"roles": ["admin"]}, headers=good)).status == 400
        assert (await api.ask("POST", KEYS, made.data["key"], json=body)).code == "FORBIDDEN"
        (session,) = (await api.ask("GET", "/api/v1/me/sessions", headers=page)).data
        assert session["current"]
        fixed = await api.ask(
            "POST", "/api/v1/auth/login", json={"user": ann.id, "password": PASSWORD}, headers={"Cookie": cookie}
        )
        assert cookie_in(fixed) != cookie
        assert (await api.ask("GET", ME, headers={"Cookie": cookie})).code == "UNAUTHENTICATED"
        after = {"Cookie": cookie_in(fixed), "X-MarketPrism-Csrf": fixed.data["csrf"]}
        answer = await api.ask(
            "POST", "/api/v1/auth/password", json={"password": PASSWORD, "new": "another one 1"}, headers=after
        )
        assert answer.status == 200, answer.body
        assert (await api.ask("GET", ME, headers={"Cookie": after["Cookie"]})).code == "UNAUTHENTICATED"
        last = {"Cookie": cookie_in(answer), "X-MarketPrism-Csrf": answer.data["csrf"]}
        assert (await api.ask("GET", ME, headers=last)).status == 200
        assert (await api.ask("POST", "/api/v1/auth/logout", headers=last)).status == 200
        assert (await api.ask("GET", ME, headers=last)).code == "UNAUTHENTICATED"
        assert (await api.login(ann)).code == "UNAUTHENTICATED"


async def test_a_program_exchanges_tokens_and_a_stolen_one_ends_its_login(nats_url: str) -> None:
    async with gateway(nats_url) as one, gateway(nats_url) as other:
        ann = await one.user("quant")
        body = {"grant": "password", "user": ann.id, "password": PASSWORD}
        first = (await one.ask("POST", "/api/v1/auth/token", json=body)).data
        bearer = {"Authorization": f"Bearer {first['access']}"}
        assert [(await each.ask("GET", ME, headers=bearer)).data["name"] for each in (one, other)] == [ann.id] * 2
        second = (await other.ask("POST", "/api/v1/auth/refresh", json={"refresh": first["refresh"]})).data
        assert (await one.ask("GET", ME, headers={"Authorization": f"Bearer {second['access']}"})).status == 200
        again = await one.ask("POST", "/api/v1/auth/refresh", json={"refresh": first["refresh"]})
        assert (again.status, again.code) == (401, "TOKEN_INVALID")
        assert (await one.ask("POST", "/api/v1/auth/refresh", json={"refresh": second["refresh"]})).status == 401
        assert (await one.ask("GET", ME, headers=bearer)).code == "TOKEN_INVALID"
        recorded = [
            (record.action, record.outcome)
            for _, record in await one.service.access.audit_log.newest(50)
            if record.who == f"user:{ann.id}"
        ]
        assert recorded == [
            ("access.token_refresh", "failed: TOKEN_INVALID"),
            ("access.token_refresh", "done"),
            ("access.token_refresh", "done"),
            ("access.token_issue", "done"),
        ]
        logins = [(await one.ask("POST", "/api/v1/auth/token", json=body)).data["access"] for _ in range(2)]
        mine, other_one = ({"Authorization": f"Bearer {each}"} for each in logins)
        session = (await one.login(ann)).headers["Set-Cookie"]
        listed = (await one.ask("GET", "/api/v1/me/sessions", headers=mine)).data
        assert session
        assert sorted(each["kind"] for each in listed) == ["browser", "program", "program"]
        (theirs,) = (each["id"] for each in listed if each["kind"] == "program" and not each["current"])
        bob = await one.key(await one.user("viewer"))
        assert (await one.ask("DELETE", f"/api/v1/me/sessions/{theirs}", bob)).code == "NOT_FOUND"
        assert (await one.ask("DELETE", f"/api/v1/me/sessions/{theirs}", headers=mine)).status == 200
        assert (await one.ask("GET", ME, headers=other_one)).code == "TOKEN_INVALID"
        assert [each["current"] for each in (await one.ask("GET", "/api/v1/me/sessions", headers=mine)).data] == [
            False,
            True,
        ]
        key = await one.key(ann, scopes=("keys:self",), ts_used=2**62)
        by_key = (await one.ask("POST", "/api/v1/auth/token", json={"grant": "key", "key": key})).data
        answer = await one.ask("GET", ME, headers={"Authorization": f"Bearer {by_key['access']}"})
        assert answer.data["scopes"] == ["keys:self"]
        key_id = key.split("_")[1]
        stored = await one.store.read(ApiKey, key_id)
        assert stored is not None
        await one.store.write(msgspec.structs.replace(stored.record, ts_expires=1), stored.revision)
        late = await one.ask("POST", "/api/v1/auth/refresh", json={"refresh": by_key["refresh"]})
        assert late.code == "TOKEN_INVALID"  # the key that it was exchanged for has expired
        async with one.session.get(f"{one.base}/api/v1/auth/jwks") as jwks:
            assert jwks.content_type == "application/jwk-set+json"
            assert len(msgspec.json.decode(await jwks.read())["keys"]) >= 2


async def test_failed_logins_are_slowed_down_and_say_the_same_whoever_it_was(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        ann = await api.user("quant")
        wrong = await api.login(ann, "not the password")
        nobody = await api.ask("POST", "/api/v1/auth/login", json={"user": "nobody", "password": "x"})
        assert (
            (wrong.status, wrong.body["error"]) == (nobody.status, nobody.body["error"]) == (401, wrong.body["error"])
        )
        answers = await asyncio.gather(*(api.login(ann, f"guess {n}") for n in range(8)))
        codes = [answer.code for answer in answers]
        assert set(codes) == {"UNAUTHENTICATED", "LOCKED_OUT"}
        locked = answers[codes.index("LOCKED_OUT")]
        assert (locked.status, int(locked.headers["Retry-After"]) >= 1) == (429, True)
        recorded = [record for _, record in await api.service.access.audit_log.newest(50) if record.target == ann.id]
        assert {record.outcome for record in recorded} == {"refused"}


async def test_on_this_machine_nobody_logs_in_and_a_credential_counts_all_the_same(nats_url: str) -> None:
    async with gateway(nats_url, auth="local") as api:
        assert (await api.ask("GET", ME)).data["id"] == "local:local"
        assert (await api.ask("GET", "/api/v1/admin/users")).code == "FORBIDDEN"
        assert (await api.ask("GET", ME, headers={"Cookie": "mp=" + "x" * 43})).data["id"] == "local:local"
        assert (await api.ask("GET", ME, "mp_abcd_" + "x" * 43)).code == "UNAUTHENTICATED"
        root = await api.key(await api.user("admin"))
        assert (await api.ask("GET", "/api/v1/admin/users", root)).status == 200
        assert (await api.ask("GET", ME, headers={"X-Forwarded-For": "10.0.0.1"})).code == "UNAUTHENTICATED"
        foreign = {"Origin": "https://evil.example"}
        assert (await api.ask("DELETE", f"{KEYS}/k001", headers=foreign)).code == "ORIGIN"
        assert (await api.ask("GET", ME, headers={**foreign, "Upgrade": "websocket"})).code == "ORIGIN"
        assert (await api.ask("GET", ME, headers=foreign)).status == 200  # which the page cannot read
        assert (await api.ask("POST", KEYS, json={})).code == "FORBIDDEN"


async def test_administrators_make_change_and_take_out_users_and_roles(nats_url: str, unique: str) -> None:
    async with gateway(nats_url) as api:
        root = await api.key(await api.user("admin"))
        role = {
            "id": unique,
            "scopes": ["md:read", "keys:self"],
            "entitlements": [{"venues": ["shfe"], "symbols": ["rb*"]}],
        }
        assert (await api.ask("POST", "/api/v1/admin/roles", root, role)).status == 201
        assert (await api.ask("POST", "/api/v1/admin/roles", root, role)).code == "CONFLICT"
        made = await api.ask("POST", "/api/v1/admin/users", root, {"id": f"u{unique}", "roles": [unique]})
        user = f"/api/v1/admin/users/u{unique}"
        assert (made.status, made.data["must_change"]) == (201, True)
        key = await api.key(f"u{unique}")
        seen = (await api.ask("GET", ME, key)).data
        assert (seen["scopes"], seen["entitlements"][0]["symbols"]) == (["keys:self", "md:read"], ["rb*"])
        login = await api.ask(
            "POST", "/api/v1/auth/login", json={"user": f"u{unique}", "password": made.data["password"]}
        )
        cookie = {"Cookie": cookie_in(login)}
        assert (await api.ask("GET", KEYS, headers=cookie)).code == "FORBIDDEN"  # its password is not its own yet
        first = await api.ask("GET", ME, headers=cookie)
        assert (first.status, first.data["must_change"], first.data["roles"]) == (200, True, [unique])
        assert (seen["must_change"], seen["roles"]) == (False, [unique])  # of a key it asks nothing
        change = await api.ask("PATCH", user, root, {"roles": ["viewer"]})
        assert change.data["roles"] == ["viewer"]
        assert (await api.ask("GET", ME, headers=cookie)).code == "UNAUTHENTICATED"
        assert (await api.ask("PATCH", user, root, {"role": "x"})).code == "INVALID_PARAMETER"
        assert (await api.ask("DELETE", f"/api/v1/admin/roles/{unique}", root)).status == 200
        assert (await api.ask("DELETE", user, root)).status == 200
        assert (await api.ask("GET", user, root)).code == "NOT_FOUND"
        assert (await api.ask("GET", ME, key)).status == 401
        records = (await api.ask("GET", "/api/v1/admin/audit?limit=20", root)).data
        assert {"access.user_create", "access.user_remove", "access.role_create"} <= {
            each["action"] for each in records
        }
        assert made.data["password"] not in str(records)
        clerk = await api.key(await api.user("admin"), scopes=("admin:access",))
        assert (
            await api.ask("POST", "/api/v1/admin/users", clerk, {"id": "x", "roles": ["admin"]})
        ).code == "FORBIDDEN"
        (newest,) = (await api.ask("GET", "/api/v1/admin/audit?limit=1", root)).data
        assert (newest["outcome"], newest["target"]) == ("refused: FORBIDDEN", "POST /api/v1/admin/users")
        for path in ("audit?limit=0", "audit?before=x"):
            assert (await api.ask("GET", f"/api/v1/admin/{path}", root)).status == 400


async def test_a_connection_ends_when_what_it_was_opened_with_is_revoked(nats_url: str) -> None:
    async with gateway(nats_url) as one, gateway(nats_url) as other:
        root = await one.key(await one.user("admin"))
        ann = await one.user("quant")
        by_key, by_message = await one.key(ann), await one.key(ann, cidrs=("127.0.0.0/8",))
        path = f"{other.base}/ws/v1/stream"
        opened = await other.session.ws_connect(path, headers={"X-API-Key": by_key})
        assert (await opened.receive_json())["type"] == "hello"
        asked = await other.session.ws_connect(path)
        await asked.send_json({"op": "auth", "token": by_message})
        assert (await asked.receive_json())["type"] == "hello"
        assert (await asked.receive_json())["principal"] == f"key:{by_message.split('_')[1]}"
        wrong = await other.session.ws_connect(path)
        await wrong.send_json({"op": "auth", "token": by_message[:-1]})
        while (message := await wrong.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert wrong.close_code == 4001, message
        elsewhere = await other.session.ws_connect(path)
        await elsewhere.send_json({"op": "auth", "token": await one.key(ann, cidrs=("10.0.0.0/8",))})
        while (message := await elsewhere.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert elsewhere.close_code == 4001, message
        await one.ask("DELETE", f"/api/v1/admin/keys/{by_key.split('_')[1]}", root)
        await opened.receive()
        assert opened.close_code == 4010
        await one.ask("DELETE", f"/api/v1/admin/users/{ann.id}", root)
        await asked.receive()
        assert asked.close_code == 4010
        bob = await one.user("quant")
        ends, exchanged = await one.key(bob, ts_used=2**62), await one.key(bob)  # no use is written
        token = await one.ask("POST", "/api/v1/auth/token", json={"grant": "key", "key": exchanged})
        shown = ({"X-API-Key": ends}, {"Authorization": f"Bearer {token.data['access']}"})
        lasting = [await other.session.ws_connect(path, headers=headers) for headers in shown]
        assert [(await each.receive_json())["type"] for each in lasting] == ["hello"] * 2
        stored = await one.store.read(ApiKey, ends.split("_")[1])
        assert stored is not None
        expiring = msgspec.structs.replace(stored.record, ts_expires=time.time_ns() + 10**8)
        await one.store.write(expiring, stored.revision)
        narrower = {"scopes": ["md:read"]}
        await one.ask("PATCH", f"/api/v1/admin/keys/{exchanged.split('_')[1]}", root, narrower)
        for each in lasting:
            await each.receive()
            assert each.close_code == 4010
