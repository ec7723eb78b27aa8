"""Logins at a real OpenID provider: who comes in, as what, and every way that does not lead in."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest

from marketprism_application.contracts.access_records import User
from marketprism_services.settings.oidc import CALLBACK, LOGIN
from tests.integration.api.access_side import gateway
from tests.integration.api.oidc_side import Browser, Provider, authorized

pytestmark = pytest.mark.timeout(120)
ME = "/api/v1/me"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    made = Provider()
    made.start()
    yield made
    made.stop()


async def test_a_page_can_tell_that_there_is_a_provider(nats_url: str, provider: Provider) -> None:
    for more, label in (({}, "127.0.0.1"), ({"label": "The desk's login"}, "The desk's login")):
        async with gateway(nats_url, oidc=provider.settings(**more)) as api:
            answer = await api.ask("GET", "/api/v1/auth")
            assert answer.data == {"mode": "on", "password": True, "oidc": {"label": label, "path": LOGIN}}
    tokens_only = provider.settings(client_id="", token_audience="x")
    async with gateway(nats_url, oidc=tokens_only) as api:
        assert (await api.ask("GET", "/api/v1/auth")).data["oidc"] is None, "no browser can log in there"


async def test_who_logs_in_at_the_provider_is_a_user_with_the_roles_that_it_says(
    nats_url: str, provider: Provider, unique: str
) -> None:
    ann = f"ann {unique}"
    provider.user("ann%20" + unique, name="Ann\x1b[1m Lee", roles=["desk-quants", "golf"])
    async with gateway(nats_url, oidc=provider.settings()) as one, gateway(nats_url, oidc=provider.settings()) as other:
        browser = Browser(one)
        url = await browser.begin("/charts?symbol=rb2610&x='\"><b>")
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert (query["code_challenge_method"], query["scope"]) == ("S256", "openid profile")
        assert not {"client_secret", "code_verifier"} & set(query)
        back = await authorized(one.session, url, ann)
        browser_elsewhere = Browser(other)  # any instance finishes what another has begun
        browser_elsewhere.cookies = dict(browser.cookies)
        done = await browser_elsewhere.come_back(**back)
        assert (done.status, done.headers["Cache-Control"]) == (200, "no-store")
        assert 'content="0;url=/charts?symbol=rb2610&amp;x=&#x27;&quot;&gt;&lt;b&gt;"' in done.data
        assert "mp-oidc" not in browser_elsewhere.cookies
        me = await browser_elsewhere.ask(ME)
        assert (me.data["kind"], me.data["limits"]) == ("user", "quant")
        user = me.data["name"]
        found = one.store.get(User, user) or other.store.get(User, user)
        assert found is not None
        assert (found.display, found.roles, found.password) == ("Ann[1m Lee", ("quant",), "")
        assert found.subject == f"{provider.issuer} {ann}"

        provider.user("ann%20" + unique, name="Ann", roles=["desk-admins"])
        again = Browser(one)
        await again.log_in(ann)
        me = await again.ask(ME)
        assert (me.data["name"], "admin:access" in me.data["scopes"]) == (user, True)
        assert (await browser_elsewhere.ask(ME)).code == "UNAUTHENTICATED"  # its roles were others
        records = [record for _, record in await one.service.access.audit_log.newest(50) if record.target == user]
        assert [(record.who, record.action) for record in records[:4]] == [
            (f"user:{user}", "access.login"),
            ("service:oidc", "access.user_change"),
            (f"user:{user}", "access.login"),
            ("service:oidc", "access.user_create"),
        ]
        assert (await one.login(found)).code == "UNAUTHENTICATED"  # it has no password


async def test_whom_the_provider_gives_no_role_here_stays_outside(
    nats_url: str, provider: Provider, unique: str
) -> None:
    provider.user(f"bob{unique}", roles=["golf"])
    provider.user(f"eve{unique}", roles={"desk-admins": True})
    async with gateway(nats_url, oidc=provider.settings()) as api:
        for name in (f"bob{unique}", f"eve{unique}"):
            browser = Browser(api)
            refused = await browser.log_in(name)
            assert (refused.status, refused.code) == (403, "FORBIDDEN")
            assert "roles: expected one that means something here" in refused.body["error"]["message"]
            assert (await browser.ask(ME)).code == "UNAUTHENTICATED"
        ((_, newest),) = await api.service.access.audit_log.newest(1)
        assert (newest.action, newest.outcome.partition(": roles")[0]) == ("access.login", "refused: FORBIDDEN")
    settings = provider.settings(role_map=("desk-quants=no-such-role",), roles_claim="realm.roles")
    provider.user(f"bob{unique}", realm={"roles": ["desk-quants"]})
    async with gateway(nats_url, oidc=settings) as api:
        refused = await Browser(api).log_in(f"bob{unique}")
        assert "api.oidc.role_map has 'no-such-role'" in refused.body["error"]["message"]
    # Without a map an administrator says who it is.
    async with gateway(nats_url, oidc=provider.settings(role_map=())) as api:
        assert (await Browser(api).log_in(f"bob{unique}")).code == "FORBIDDEN"
        root = await api.key(await api.user("admin"))
        body = {"id": f"bob{unique}", "roles": ["viewer"], "subject": f"{provider.issuer} bob{unique}"}
        made = await api.ask("POST", "/api/v1/admin/users", root, body)
        assert (made.status, "password" in made.data) == (201, False)
        again = await api.ask("POST", "/api/v1/admin/users", root, {**body, "id": f"x{unique}"})
        assert (again.code, f"bob{unique} has it" in again.body["error"]["message"]) == ("CONFLICT", True)
        wrong = await api.ask("POST", "/api/v1/admin/users", root, {**body, "id": f"x{unique}", "subject": "bob"})
        assert (wrong.status, "subject: expected an issuer's URL" in wrong.body["error"]["message"]) == (400, True)
        browser = Browser(api)
        assert (await browser.log_in(f"bob{unique}")).status == 200
        assert (await browser.ask(ME)).data["name"] == f"bob{unique}"
        await api.ask("PATCH", f"/api/v1/admin/users/bob{unique}", root, {"disabled": True})
        assert (await browser.ask(ME)).code == "UNAUTHENTICATED"
        refused = await Browser(api).log_in(f"bob{unique}")
        assert (refused.code, "is disabled" in refused.body["error"]["message"]) == ("FORBIDDEN", True)


async def test_a_login_that_is_not_this_browsers_own_leads_nowhere(
    nats_url: str, provider: Provider, unique: str
) -> None:
    provider.user(f"mal{unique}", roles=["desk-admins"])
    async with gateway(nats_url, oidc=provider.settings()) as api:
        mallory, victim = Browser(api), Browser(api)
        theirs = await authorized(api.session, await mallory.begin(), f"mal{unique}")
        mine = await authorized(api.session, await victim.begin(), f"mal{unique}")
        cookie = dict(victim.cookies)
        # Their whole answer in my browser (login CSRF); my state with their code (a stolen or injected code).
        assert (await victim.come_back(**theirs)).code == "UNAUTHENTICATED"
        injected = await victim.come_back(code=theirs["code"], state=mine["state"])
        assert (injected.status, injected.code) == (401, "UNAUTHENTICATED")
        assert "code: expected one that the provider takes" in injected.body["error"]["message"]
        # A login of this state that answers another nonce.
        url = await victim.begin()
        nonced = url.replace(parse_qs(urlsplit(url).query)["nonce"][0], "another-nonce")
        refused = await victim.come_back(**await authorized(api.session, nonced, f"mal{unique}"))
        assert (refused.code, refused.body["error"]["message"]) == (
            "TOKEN_INVALID",
            "nonce: expected that of this login, was another",
        )
        # A code is good once, although the browser still shows the cookie of its login.
        victim.cookies = cookie
        assert (await victim.come_back(**mine)).status == 200
        assert (await victim.ask(ME)).status == 200
        victim.cookies = cookie
        assert (await victim.come_back(**mine)).code == "UNAUTHENTICATED"
        # States that are made up, of another cookie, of no cookie, twice; of another provider.
        good = await authorized(api.session, await victim.begin(), f"mal{unique}")
        path = base64.urlsafe_b64encode(b"//evil.example").rstrip(b"=").decode()
        for changes, code in (
            ({"state": ""}, "UNAUTHENTICATED"),
            ({"state": f"{'A' * 43}.1.{path}"}, "UNAUTHENTICATED"),
            ({"state": good["state"][:-1] + "A"}, "UNAUTHENTICATED"),
            ({"state": f"{good['state'].rpartition('.')[0]}.{path}"}, "UNAUTHENTICATED"),
            ({"iss": "https://other.example"}, "UNAUTHENTICATED"),
            ({"error": "access_denied\n"}, "UNAUTHENTICATED"),
            ({"code": "é"}, "UNAUTHENTICATED"),
            ({"code": "x" * 5_000}, "UNAUTHENTICATED"),
        ):
            assert (await victim.come_back(**{**good, **changes})).code == code, changes
        twice = urlencode([*good.items(), ("state", "x")])
        assert (await victim.ask(f"/api/v1/auth/oidc/callback?{twice}")).code == "INVALID_PARAMETER"
        bare = Browser(api)
        assert (await bare.come_back(**good)).code == "UNAUTHENTICATED"
        assert (await victim.come_back(**good)).status == 200
        for path in ("//evil.example", "/\\evil.example", "https://evil.example", "", "/a\tb", "/é", "x", "/" * 600):
            answer = await bare.ask(f"{LOGIN}?{urlencode({'next': path})}")
            assert (answer.status, answer.code) == (400, "INVALID_PARAMETER"), path


async def test_tokens_of_the_provider_count_where_they_are_for_us(
    nats_url: str, provider: Provider, unique: str
) -> None:
    provider.user(f"cat{unique}", roles=["desk-quants"])
    settings = provider.settings(token_audience="market-api")
    async with gateway(nats_url, oidc=settings) as api:
        good, other = await provider.token(f"cat{unique}", "market-api"), await provider.token(f"cat{unique}")

        async def code(token: str) -> str:
            answer = await api.ask("GET", ME, headers={"Authorization": f"Bearer {token}"})
            return answer.code or str(answer.data["limits"])

        assert await code(good) == "quant"
        assert await code(other) == "TOKEN_INVALID"  # of another audience
        header, payload, signature = good.split(".")
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=="))
        admin = _part({**claims, "roles": ["desk-admins"]})
        for alg in ("none", "None", "HS256", "nOnE"):
            for seal in ("", signature):
                assert await code(f"{_part({'alg': alg, 'typ': 'JWT'})}.{admin}.{seal}") == "TOKEN_INVALID"
        assert await code(f"{header}.{admin}.{signature}") == "TOKEN_INVALID"
        assert await code(f"{header}.{'A' * 9_000}.{signature}"[:8_000]) == "TOKEN_INVALID"
        socket = await api.session.ws_connect(f"{api.base}/ws/v1/stream", headers={"Authorization": f"Bearer {good}"})
        assert (await socket.receive_json())["type"] == "hello"
        await socket.close()
        # A new key: its tokens are good from the next look at the provider's keys on.
        provider.rotate()
        fresh = await provider.token(f"cat{unique}", "market-api")
        async with asyncio.timeout(20):
            while (found := await code(fresh)) != "quant":
                assert found == "TOKEN_INVALID"
                await asyncio.sleep(0.1)
        provider.user(f"cat{unique}", roles=["golf"])
        assert await code(await provider.token(f"cat{unique}", "market-api")) == "FORBIDDEN"
    async with gateway(nats_url, oidc=provider.settings()) as api:  # not where nobody has said so
        answer = await api.ask("GET", ME, headers={"Authorization": f"Bearer {fresh}"})
        assert answer.code == "TOKEN_INVALID"


def _part(fields: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(fields)).rstrip(b"=").decode()


async def test_a_provider_that_is_away_or_slow_keeps_nobody_out_who_is_in(nats_url: str, unique: str) -> None:
    provider = Provider()
    provider.start()
    provider.user(f"dan{unique}", roles=["desk-quants"])
    try:
        async with gateway(nats_url, oidc=provider.settings(provider_s=1.0)) as api:
            browser = Browser(api)
            assert (await browser.log_in(f"dan{unique}")).status == 200
            later = Browser(api)
            back = await authorized(api.session, await later.begin(), f"dan{unique}")
            provider.slow(30)
            assert (await browser.ask(ME)).status == 200
            late = await later.come_back(**back)
            assert (late.status, late.code, late.headers["Retry-After"]) == (503, "UNAVAILABLE", "1")
            provider.stop()
            answers = await asyncio.gather(*(later.come_back(**back) for _ in range(5)))
            assert {(each.status, each.code) for each in answers} == {(503, "UNAVAILABLE")}
            assert (await browser.ask(ME)).status == 200
            assert "oidc_failures_total" in str((await api.ask("GET", "/metrics")).data)
            async with gateway(nats_url, oidc=provider.settings()) as cold:  # starts without it
                unable = await cold.ask("GET", LOGIN)
                assert (unable.status, unable.code, unable.headers["Retry-After"]) == (503, "UNAVAILABLE", "1")
                seen = await cold.ask("GET", f"{LOGIN}?next=/me?x=1", headers={"Accept": "text/html,*/*"})
                assert (seen.status, seen.headers["Retry-After"]) == (503, "1")
                assert b"url=/me?x=1&amp;sign_in=503" in seen.data, "a person is led back to the form"
            provider.start()  # with another key
            provider.user(f"dan{unique}", roles=["desk-quants"])
            async with asyncio.timeout(30):
                while (again := await Browser(api).log_in(f"dan{unique}")).status != 200:
                    assert again.status == 503, again.body
                    await asyncio.sleep(0.1)
    finally:
        provider.stop()


async def test_who_comes_back_too_often_is_led_to_the_form_too(nats_url: str, provider: Provider) -> None:
    async with gateway(nats_url, oidc=provider.settings()) as api:
        html = {"Accept": "text/html"}
        seen = await asyncio.gather(*(api.ask("GET", f"{CALLBACK}?state=x", headers=html) for _ in range(60)))
        late = [each for each in seen if each.status == 429]
        assert late
        assert all(each.headers["Retry-After"] and b"url=/?sign_in=429" in each.data for each in late)


async def test_without_a_provider_there_is_no_such_login(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        assert (await api.ask("GET", LOGIN)).code == "NOT_FOUND"
        assert (await api.ask("GET", "/api/v1/auth/oidc/callback?state=x&code=y")).code == "NOT_FOUND"
